"""Lines of Python that call an exported model, for its card."""

from zoo.data.vocabulary import Vocabulary

READ = {
    "torch-export": """\
import json

import torch

about = {{"zoo.json": ""}}
{call} = torch.export.load("model.pt2", extra_files=about).module()
about = json.loads(about["zoo.json"])""",
    "onnx": """\
import json

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
about = json.loads(session.get_modelmeta().custom_metadata_map["zoo.json"])""",
}
"""Format -> lines that read its file, and what it says for itself."""

ROWS = {
    "torch-export": """\
logits = model(torch.tensor([tokens]))  # (1, T, V), of the token after each position
best = int(logits[0, -1].argmax())""",
    "onnx": """\
(logits,) = session.run(None, {"tokens": np.array([tokens])})  # (1, T, V), of the token after each position
best = int(logits[0, -1].argmax())""",
}
STEP = {
    "torch-export": """\
state = {name: torch.from_numpy(array) for name, array in np.load("state.npz").items()}  # of one new stream
for token in tokens:
    logits, state = step(torch.tensor([token]), state)  # (1, V), of the token after
best = int(logits[0].argmax())""",
    "onnx": """\
state = dict(np.load("state.npz"))  # of one new stream
for token in tokens:
    logits, *after = session.run(None, {"tokens": np.array([token]), **state})  # (1, V), of the token after
    state = dict(zip(state, after))
best = int(logits[0].argmax())""",
}


def write_snippet(to: str, vocabulary: Vocabulary, *, streaming: bool) -> str:
    """Return lines that read an exported file in its folder and predict what follows a text."""
    read = READ[to]
    if to == "torch-export":
        read = read.format(call="step" if streaming else "model")
        read = read.replace("import torch", "import numpy as np\nimport torch") if streaming else read
    encode, decode = _write_coding(vocabulary)
    lines = [read, encode, (STEP if streaming else ROWS)[to], f'print({decode} if best else "the end")']
    return "\n".join(lines) + "\n"


def _write_coding(vocabulary: Vocabulary) -> tuple[str, str]:
    """Lines that encode a text as `tokens`, and an expression that decodes the token `best`."""
    if vocabulary.pairs:
        encode = """\
tokenizer = tokenizers.Tokenizer.from_file("tokenizer.json")
tokens = [0, *(number + 1 for number in tokenizer.encode("a").ids)]  # the boundary, then the text"""
        return f"import tokenizers\n\n{encode}", "repr(tokenizer.decode([best - 1]))"
    if vocabulary.characters is None:
        return 'tokens = [0, *(byte + 1 for byte in b"a")]  # the boundary, then the text', "bytes([best - 1])"
    letters = [character for character in vocabulary.characters if character.isalpha()]
    text = ascii("".join(letters or vocabulary.characters)[:2])
    encode = f'tokens = [0, *(about["characters"].index(character) + 1 for character in {text})]  # 0 begins a text'
    return encode, 'repr(about["characters"][best - 1])'
