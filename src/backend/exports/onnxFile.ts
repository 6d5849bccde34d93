/** Writes an ONNX model to a folder, its weights inside or, as a protobuf message ends at 2 GiB, in a file beside it. */
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { bufferOf, encodeModel, type Initializer, type OnnxModel, type Place } from "../graph/onnx";

/** The graph itself needs a little of the 2 GiB. */
const mostBytes = 2 ** 31 - 2 ** 24;
/** Smaller tensors stay in the model, where shapes can be inferred from them. */
const leastBytes = 1024;
/** Where large tensors begin, so that a runtime can map them into memory; small ones need not. */
const [pageBytes, smallAlignment, largeTensor] = [4096, 64, 2 ** 20];

export interface OnnxStorage {
  /** True puts the weights into a file of their own whatever their size. */
  readonly external: boolean;
  /** Weights of more bytes are put there anyway. */
  readonly limit?: number;
}

/** Writes `<name>`, and `<name>_data` where the weights are in a file of their own. */
export function writeOnnx(
  folder: string,
  name: string,
  model: OnnxModel,
  { external, limit = mostBytes }: OnnxStorage,
): void {
  const total = model.initializers.reduce((sum, { data }) => sum + data.byteLength, 0);
  if (!external && total <= limit) {
    writeFileSync(join(folder, name), encodeModel(model));
    return;
  }
  const location = `${name}_data`;
  const places = new Map<Initializer, Place>();
  const file = openSync(join(folder, location), "w");
  try {
    let end = 0;
    for (const initializer of model.initializers) {
      const bytes = bufferOf(initializer.data);
      if (bytes.length < leastBytes) continue;
      const alignment = bytes.length < largeTensor ? smallAlignment : pageBytes;
      const offset = Math.ceil(end / alignment) * alignment;
      for (let written = 0; written < bytes.length;)
        written += writeSync(file, bytes, written, bytes.length - written, offset + written);
      places.set(initializer, { location, offset });
      end = offset + bytes.length;
    }
  } finally {
    closeSync(file);
  }
  writeFileSync(
    join(folder, name),
    encodeModel(model, (each) => places.get(each)),
  );
}
