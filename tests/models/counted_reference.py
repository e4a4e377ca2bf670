"""Interpolated modified Kneser-Ney as its paper writes it: dictionaries, one probability at a time, in float64."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

Gram = tuple[int, ...]
USUAL = (0.5, 1.0, 1.5)


class Reference:
    """The model of one order, counted on `sequences`, each with its opening boundary token; the first is no target."""

    def __init__(self, sequences: Iterable[Sequence[int]], order: int, vocab_size: int) -> None:
        self.order, self.vocab_size = order, vocab_size
        raw: dict[int, Counter[Gram]] = {n: Counter() for n in range(1, order + 1)}
        before: dict[int, dict[Gram, set[int]]] = {n: defaultdict(set) for n in range(1, order + 1)}
        for sequence in sequences:
            for end in range(1, len(sequence)):
                for n in range(1, min(order, end + 1) + 1):
                    gram = tuple(sequence[end - n + 1 : end + 1])
                    raw[n][gram] += 1
                    if n < end + 1:
                        before[n][gram].add(sequence[end - n])
        self.count: dict[int, dict[Gram, int]] = {}
        for n in range(1, order + 1):
            opens = {gram: n > 1 and gram[0] == 0 for gram in raw[n]}
            self.count[n] = {
                gram: count if n == order or opens[gram] else len(before[n][gram]) for gram, count in raw[n].items()
            }
        self.discount = {n: _discounts(list(self.count[n].values())) for n in range(1, order + 1)}

    def probability(self, context: Gram, token: int) -> float:
        """p(token | context); of the context the last order - 1 tokens count, from a boundary token on."""
        context = context[max(0, len(context) - self.order + 1) :]
        for place in range(len(context) - 1, -1, -1):
            if context[place] == 0:
                context = context[place:]
                break
        return self._probability(context, token)

    def _probability(self, context: Gram, token: int) -> float:
        shorter = self._probability(context[1:], token) if context else 1 / self.vocab_size
        n = len(context) + 1
        follows = {gram[-1]: count for gram, count in self.count[n].items() if gram[:-1] == context}
        if not follows:
            return shorter
        one, two, more = self.discount[n]
        number = [sum(c == 1 for c in follows.values()), sum(c == 2 for c in follows.values())]
        number.append(len(follows) - sum(number))
        total, own = sum(follows.values()), follows.get(token, 0)
        taken = (0.0, one, two, more)[min(own, 3)]
        return (own - taken) / total + (one * number[0] + two * number[1] + more * number[2]) / total * shorter


def _discounts(counts: list[int]) -> tuple[float, float, float]:
    n1, n2, n3, n4 = (counts.count(i) for i in range(1, 5))
    if 0 in (n1, n2, n3, n4):
        return USUAL
    y = n1 / (n1 + 2 * n2)
    found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    return found if all(0 < d <= i for i, d in enumerate(found, 1)) else USUAL
