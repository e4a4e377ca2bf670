"""Settings that a file may change for the whole process: statement, expression that shows it, and name."""

from typing import NamedTuple


class Change(NamedTuple):
    """`statement` changes the value of the expression `shown`; messages name it `named`."""

    statement: str
    shown: str
    named: str


PRECISION = "torch._C._get_fp32_precision_getter"
MODE = "torch.overrides.TorchFunctionMode"

CHANGES = [
    Change("torch.set_default_dtype(torch.float64)", "torch.get_default_dtype()", "default dtype from float32 to f"),
    Change("torch.set_default_device('meta')", "torch.get_default_device()", "torch's default device from cpu to meta"),
    Change("torch.set_grad_enabled(False)", "torch.is_grad_enabled()", "torch's gradients from True to False"),
    Change("m = torch.inference_mode(); m.__enter__(); LEFT.append(m)", "torch.is_inference_mode_enabled()", "infer"),
    Change(
        "torch.use_deterministic_algorithms(True)",
        "torch.are_deterministic_algorithms_enabled()",
        "deterministic algorithms",
    ),
    Change("torch.set_float32_matmul_precision('medium')", "torch.get_float32_matmul_precision()", "float32 precision"),
    Change("torch.backends.cuda.matmul.allow_tf32 = True", f"{PRECISION}('cuda', 'matmul')", "precision (cuda matmul)"),
    Change("torch.backends.cudnn.allow_tf32 = False", f"{PRECISION}('cuda', 'conv')", "float32 precision (cuda conv)"),
    Change("torch.backends.mkldnn.matmul.fp32_precision = 'bf16'", f"{PRECISION}('mkldnn', 'matmul')", "(mkldnn matm"),
    Change("torch.backends.fp32_precision = 'ieee'", f"{PRECISION}('generic', 'all')", "precision (generic all)"),
    Change("torch.backends.mkldnn.set_flags(False)", "torch._C._get_mkldnn_enabled()", "flag mkldnn_enabled"),
    Change("torch.backends.cudnn.benchmark = True", "torch.backends.cudnn.benchmark", "torch's flag cudnn_benchmark"),
    Change("torch.backends.cudnn.deterministic = True", "torch.backends.cudnn.deterministic", "cudnn_deterministic"),
    Change("torch.backends.cudnn.enabled = False", "torch.backends.cudnn.enabled", "torch's flag cudnn_enabled"),
    Change(
        "torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False",
        "torch._C._get_cublas_allow_bf16_reduced_precision_reduction()",
        "bf16_reduced_precision_reduction",
    ),
    Change("torch.backends.cuda.enable_math_sdp(False)", "torch.backends.cuda.math_sdp_enabled()", "math attention"),
    Change("torch.backends.cuda.enable_flash_sdp(False)", "torch.backends.cuda.flash_sdp_enabled()", "flash attention"),
    Change("torch.backends.mha.set_fastpath_enabled(False)", "torch.backends.mha.get_fastpath_enabled()", "fast path"),
    Change("torch.set_autocast_enabled('cpu', True)", "torch.is_autocast_enabled('cpu')", "autocast on cpu"),
    Change("torch.set_autocast_dtype('cpu', torch.float16)", "torch.get_autocast_dtype('cpu')", "autocast on cpu"),
    Change("torch.set_flush_denormal(True)", "torch.tensor(1e-310, dtype=torch.float64) * 1 == 0", "denormal numbers"),
    Change("torch.set_num_threads(3)", "torch.get_num_threads()", "torch's threads from 1 to 3"),
    Change("torch.autograd.set_detect_anomaly(True)", "torch.is_anomaly_enabled()", "anomaly detection"),
    Change("torch.manual_seed(12345)", "torch.initial_seed()", "torch's seed"),
    Change(f"{MODE}().__enter__()", "torch._C._len_torch_function_stack()", "function and dispatch modes"),
    Change(
        "torch.nn.modules.module.register_module_forward_hook(lambda *a: None)",
        "len(torch.nn.modules.module._global_forward_hooks)",
        "_global_forward_hooks of all modules",
    ),
    Change("F.relu = F.gelu", "F.relu", "the function torch.nn.functional.relu"),
    Change("torch.tanh = abs", "torch.tanh", "the function torch.tanh"),
    Change("torch.Tensor.sigmoid = abs", "'sigmoid' in vars(torch.Tensor)", "the function torch.Tensor.sigmoid"),
    Change("torch.nn.GRU.forward = abs", "torch.nn.GRU.forward", "the function torch.nn.GRU.forward"),
    Change("torch.nn.Linear.__call__ = abs", "torch.nn.Linear.__call__", "the function torch.nn.Linear.__call__"),
    Change("zoo.training.loss.cross_entropy = abs", "zoo.training.loss.cross_entropy", "zoo.training.loss.cross_entr"),
    Change("os.chdir('/')", "os.getcwd()", "the working directory"),
    Change("os.umask(0o125)", "umask()", "the umask from"),
    Change("warnings.simplefilter('ignore')", "warnings.filters[0]", "the warnings filters"),
    Change("os.environ['ZOO_MARK'] = '1'", "os.environ.get('ZOO_MARK')", "the environment variable ZOO_MARK"),
    Change("del os.environ['PATH']", "os.environ.get('PATH')", "the environment variable PATH"),
    Change("signal.signal(signal.SIGUSR1, print)", "signal.getsignal(signal.SIGUSR1)", "the handler of SIGUSR1"),
    Change("locale.setlocale(locale.LC_ALL, 'POSIX')", "locale.setlocale(locale.LC_ALL)", "the locale from"),
    Change("sys.setrecursionlimit(4321)", "sys.getrecursionlimit()", "the recursion limit from"),
    Change("gc.disable()", "gc.isenabled()", "garbage collection from True to False"),
    Change("np.seterr(all='raise')", "np.geterr()", "numpy's handling of invalid in floating point"),
]
