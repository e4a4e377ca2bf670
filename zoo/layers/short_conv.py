"""Short causal convolution, a filter for each channel (Fu et al. 2023; Gu and Dao 2023, section 3.4)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ShortConv(nn.Module):
    """(B, T, C) -> (B, T, C): y_t = bias + sum of weight[:, 0, i] · x_{t-k+1+i} for i < k, channel by channel.

    Args:
        channels: C.
        kernel: k, number of positions that an output sees.
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, 1, kernel))  # as in nn.Conv1d
        self.bias = nn.Parameter(torch.empty(channels))
        bound = kernel**-0.5
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def begin(self, batch_size: int) -> Tensor:
        """The inputs before the first one, zeros (B, k - 1, C)."""
        channels, _, kernel = self.weight.shape
        return self.weight.new_zeros(batch_size, kernel - 1, channels)

    def run(self, x: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, C), the k - 1 inputs before it -> (B, T, C), the last k - 1 inputs (B, k - 1, C)."""
        all_inputs = torch.cat([before.to(x.dtype), x], dim=1)
        weight, bias = (part.to(x.dtype) for part in (self.weight, self.bias))  # autocast forgets the bias under vmap
        if x.shape[1] == 1 or x.dtype == torch.float64:  # oneDNN has no float64, and torch's own loops over channels
            y = torch.einsum("btck,ck->btc", all_inputs.unfold(1, weight.shape[2], 1), weight.squeeze(1)) + bias
        else:  # one line high; oneDNN convolves it with channels last, a row it would copy
            y = F.conv2d(all_inputs.mT.unsqueeze(2), weight.unsqueeze(2), bias, groups=x.shape[2]).squeeze(2).mT
        return y, all_inputs[:, x.shape[1] :]
