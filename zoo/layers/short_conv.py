"""Short causal convolution, a filter for each channel (Fu et al. 2023; Gu and Dao 2023, section 3.4)."""

import torch
from torch import Tensor, nn


class ShortConv(nn.Module):
    """(B, T, C) -> (B, T, C): y_t = bias + sum of weight_i · x_{t-k+1+i} for i < k, channel by channel.

    Args:
        channels: C.
        kernel: k, number of positions that an output sees.
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(kernel, channels))
        self.bias = nn.Parameter(torch.empty(channels))
        bound = kernel**-0.5  # as torch initialises nn.Conv1d
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def begin(self, batch_size: int) -> Tensor:
        """The inputs before the first one, zeros (B, k - 1, C)."""
        kernel, channels = self.weight.shape
        return self.weight.new_zeros(batch_size, kernel - 1, channels)

    def run(self, x: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, C), the k - 1 inputs before it -> (B, T, C), the last k - 1 inputs (B, k - 1, C)."""
        T, reach = x.shape[1], before.shape[1]
        all_inputs = torch.cat([before.to(x.dtype), x], dim=1)
        y = self.bias + self.weight[0] * all_inputs[:, :T]
        for i in range(1, reach + 1):
            y = torch.addcmul(y, self.weight[i], all_inputs[:, i : i + T])
        return y, all_inputs[:, T:]
