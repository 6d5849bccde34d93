/** Options of a training that depend on the engine of its device. */
import * as z from "zod";

export const engineOptions = {
  precision: z
    .enum(["float32", "bfloat16"])
    .default("float32")
    .describe(
      "Type in which a training step computes products. Weights, optimizer, sums and norms are float32 with either, and so are evaluations. `bfloat16` requires a device of PyTorch, and is fast on cards with tensor cores.",
    ),
  torch_compile: z
    .boolean()
    .default(false)
    .describe(
      "Compile the training step with torch.compile at its first run, which takes minutes and a C++ compiler or Triton, for faster steps. Requires a device of PyTorch.",
    ),
};
