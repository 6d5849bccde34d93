/** Writes an ONNX model to a folder. A protobuf message is limited to 2 GiB, so larger weights are written to a separate file. */
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { asBuffer, encodeModel, type Initializer, type OnnxModel, type Place } from "../graph/onnx";

/** Leaves room for the graph within the 2 GiB. */
const maxBytes = 2 ** 31 - 2 ** 24;
/** Smaller tensors stay in the model, because shape inference reads them there. */
const minExternalBytes = 1024;
/** Large tensors start at page boundaries, so that a runtime can memory-map them. Small tensors need less alignment. */
const [pageBytes, smallAlignment, largeTensor] = [4096, 64, 2 ** 20];

/** The option of formats with an ONNX file. */
export const externalDataKey = {
  external_data: z
    .boolean()
    .default(false)
    .describe(
      "Write the weights to a separate file. Weights of more than 2 GiB are always written to a separate file.",
    ),
};

export interface OnnxStorage {
  /** Writes the weights to a separate file, whatever their size. */
  readonly external: boolean;
  /** Weights of more bytes are always written to a separate file. */
  readonly limit?: number;
}

/** Writes `<name>`, and `<name>_data` if the weights are in a separate file; returns whether they are. */
export function writeOnnx(
  folder: string,
  name: string,
  model: OnnxModel,
  { external, limit = maxBytes }: OnnxStorage,
): { readonly hasDataFile: boolean } {
  const total = model.initializers.reduce((sum, { data }) => sum + data.byteLength, 0);
  if (!external && total <= limit) {
    writeFileSync(join(folder, name), encodeModel(model));
    return { hasDataFile: false };
  }
  const location = `${name}_data`;
  const places = new Map<Initializer, Place>();
  const file = openSync(join(folder, location), "w");
  try {
    let end = 0;
    for (const initializer of model.initializers) {
      const bytes = asBuffer(initializer.data);
      if (bytes.length < minExternalBytes) continue;
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
  return { hasDataFile: true };
}
