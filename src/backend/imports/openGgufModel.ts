/** Opens the model of a GGUF file: its weights are converted to float32, also those that are quantized. */
import { basename } from "node:path";
import { WorkbenchError } from "../../protocol/errors";
import { ggufTypes } from "../checkpoints/gguf/types";
import { fromGgufLayout, type GgufTensorLayout, listGgufTensors } from "../models/ggufLayout";
import { readGgufConfig } from "../models/ggufMetadata";
import { createShape, type ModelShape } from "../models/model";
import type { TensorData } from "../representations/representation";
import { type GgufFile, openGguf } from "./ggufFile";
import { listNames } from "./huggingFaceFolder";
import type { OpenedModel } from "./openedModel";

export function readGgufShape(path: string): ModelShape {
  using file = openGguf(path);
  return readShape(path, file);
}

export function openGgufModel(path: string): Omit<OpenedModel, "source" | "run"> {
  const file = openGguf(path);
  try {
    const shape = readShape(path, file);
    const layouts = bindLayouts(path, file, shape);
    /** The last tensor, since tensors are read in parts one after the other. */
    let last: { readonly name: string; readonly data: Float32Array } | undefined;
    const read = (name: string): Float32Array => {
      if (last?.name === name) return last.data;
      const layout = layouts.get(name)!;
      last = { name, data: fromGgufLayout(file.read(layout.name), layout) };
      return last.data;
    };
    return {
      shape,
      files: [path],
      notices: createNotices(path, file),
      written: {
        bytes: file.size,
        tensorBytes: (name) => file.tensors.get(layouts.get(name)?.name ?? "")?.bytes ?? 0,
      },
      fileTensors: [...file.tensors.values()].map(({ name, type, shape: size, bytes }) => ({
        name,
        dtype: type,
        shape: size,
        bytes,
        used: true,
      })),
      read: (name, from, to): TensorData =>
        from === undefined && to === undefined ? read(name) : read(name).slice(from, to),
      checkTied: () => undefined, // A tied head is stored once.
      [Symbol.dispose]: () => file[Symbol.dispose](),
    };
  } catch (thrown) {
    file[Symbol.dispose]();
    throw thrown;
  }
}

function readShape(path: string, { metadata, tensors }: GgufFile): ModelShape {
  const architecture = metadata.get("general.architecture");
  const unsupported = (why: string, cause?: unknown) =>
    new WorkbenchError(
      "unsupported",
      `The model of ${path} is not supported: ${why}. Use the Hugging Face folder of the model.`,
      {},
      { cause },
    );
  const embedding = tensors.get("token_embd.weight");
  if (typeof architecture !== "string" || embedding === undefined)
    throw unsupported("it has no general.architecture or no token_embd.weight");
  const prefix = `${architecture}.`;
  const entries = new Map(
    [...metadata].flatMap(([key, value]) =>
      key.startsWith(prefix) ? [[key.slice(prefix.length), value] as const] : [],
    ),
  );
  let config: Readonly<Record<string, unknown>>;
  try {
    config = readGgufConfig({
      architecture,
      entries,
      tensors: new Set(tensors.keys()),
      vocabulary: embedding.shape[0]!,
    });
  } catch (cause) {
    throw unsupported((cause as Error).message, cause);
  }
  return createShape(config);
}

/** The layout of each tensor of the model. Throws unless the file has exactly these tensors in these sizes. */
function bindLayouts(path: string, file: GgufFile, shape: ModelShape): ReadonlyMap<string, GgufTensorLayout> {
  const layouts = listGgufTensors(shape);
  const known = new Set(layouts.map(({ name }) => name));
  const faults = [
    ...layouts.flatMap(({ name, shape: size }) => {
      const found = file.tensors.get(name);
      if (found === undefined) return [`${name} is missing`];
      return found.shape.join() === size.join()
        ? []
        : [`${name} is [${found.shape.join(", ")}] where the model has [${size.join(", ")}]`];
    }),
    ...[...file.tensors.keys()]
      .filter((name) => !known.has(name))
      .map((name) => `${name} is not a tensor of this model`),
  ];
  if (faults.length > 0)
    throw new WorkbenchError(
      "invalid-input",
      `${path} does not fit its metadata: ${listNames(faults)}. Use another copy of the file, or the Hugging Face folder of the model.`,
    );
  return new Map(layouts.map((layout) => [layout.source, layout]));
}

function createNotices(path: string, { tensors }: GgufFile): string[] {
  const counts = new Map<string, number>();
  for (const { type } of tensors.values())
    if (ggufTypes[type].block > 1) counts.set(type, (counts.get(type) ?? 0) + 1);
  if (counts.size === 0) return [];
  const types = [...counts].map(([type, count]) => `${count} in ${type}`).join(", ");
  return [
    `${basename(path)}: converted quantized tensors to float32 (${types}). Their values are those of the file, but they take 32 bits each from here on.`,
  ];
}
