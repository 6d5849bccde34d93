/**
 * The formulas of published methods in PyTorch, which uses LAPACK, for `lathe bench --one-shot`: what one matrix takes there,
 * without reading text.
 */

/** By the title of a case: the function of the program below. */
export const referenceOf: Readonly<Record<string, string>> = {
  magnitude: "magnitude",
  "wanda published": "wanda",
  "sparsegpt published": "sparsegpt",
  "rtn published": "rtn",
  "gptq published": "gptq",
  svd: "svd",
  "svd whiten published": "svd_whiten",
  kron: "kron",
};

/** Arguments: function, width, threads (0 for the default). Prints seconds; of the second run, if the matrix is small. */
export const referenceProgram = `
import sys, time
import torch

name, width, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if threads > 0:
    torch.set_num_threads(threads)
torch.manual_seed(0)
weights = torch.randn(width, width) * 0.02  # [outputs, inputs]
inputs = torch.randn(2 * width, width) * torch.rand(width)
gram = inputs.T @ inputs
block = 128


def upper_factor():
    damped = gram + 0.01 * gram.diagonal().mean() * torch.eye(width)
    return torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(damped)), upper=True)


def compensate(decide):
    upper, left = upper_factor(), weights.clone()
    for start in range(0, width, block):
        end = min(width, start + block)
        part, factor = left[:, start:end].clone(), upper[start:end, start:end]
        errors = torch.zeros_like(part)
        choose = decide(part, factor.diagonal())
        for i in range(end - start):
            value = part[:, i]
            decided = choose(i, value)
            errors[:, i] = (value - decided) / factor[i, i]
            part[:, i:] -= errors[:, i : i + 1] * factor[i, i:]
            left[:, start + i] = decided
        left[:, end:] -= errors @ upper[start:end, end:]
    return left


def lowest_half(scores):
    return scores <= scores.flatten().sort()[0][scores.numel() // 2 - 1]


def magnitude():
    return weights.masked_fill(lowest_half(weights.abs()), 0)


def wanda():
    order = (weights.abs() * gram.diagonal().sqrt()).sort(dim=1, stable=True)[1]
    return weights.scatter(1, order[:, : width // 2], 0)


def sparsegpt():
    def decide(part, diagonal):
        mask = lowest_half((part / diagonal) ** 2)
        return lambda i, value: value.masked_fill(mask[:, i], 0)

    return compensate(decide)


def round_to(value, scale):
    return (value / scale).round().clamp(-8, 7) * scale


def rtn():
    return round_to(weights, weights.abs().amax(1, keepdim=True) * 2 / 15)


def gptq():
    scale = weights.abs().amax(1) * 2 / 15
    return compensate(lambda part, diagonal: lambda i, value: round_to(value, scale))


def truncate(matrix, rank):
    u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
    root = s[:rank].sqrt()
    return u[:, :rank] * root, root[:, None] * vt[:rank]


def svd():
    return truncate(weights.T, width // 4)


def svd_whiten():
    lower = torch.linalg.cholesky(gram + 1e-6 * gram.diagonal().mean() * torch.eye(width))
    a, b = truncate(lower.T @ weights.T, width // 4)
    return torch.linalg.solve_triangular(lower.T, a, upper=True), b


def kron():
    small = max(d for d in range(1, int(width**0.5) + 1) if width % d == 0)
    large = width // small
    turned = weights.reshape(large, small, large, small).permute(0, 2, 1, 3).reshape(large**2, small**2)
    return truncate(turned, width * width // 2 // (large**2 + small**2))


for _ in range(2 if width < 2048 else 1):
    started = time.perf_counter()
    globals()[name]()
    seconds = time.perf_counter() - started
print(seconds)
`;
