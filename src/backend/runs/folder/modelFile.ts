/** The stored size of a model file, tensor by tensor, read from its header. */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { WrittenFile } from "../../models/accounting";
import { readTensorSizes } from "../../checkpoints/safetensors";

export function describeWrittenFile(checkpoint: string): WrittenFile {
  const path = join(checkpoint, "model.safetensors");
  const sizes = readTensorSizes(path);
  return { bytes: statSync(path).size, tensorBytes: (name) => sizes.get(name) ?? 0 };
}
