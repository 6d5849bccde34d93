/**
 * A model on disk whose tensors are read when they are asked for: for whoever looks at one matrix of a large file. Only
 * names, shapes and sizes are checked; a model that is to be trained or measured is read by `importModel`, which checks all.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { WorkbenchError } from "../../protocol/errors";
import type { WrittenFile } from "../evaluation/accounting";
import { bindTensors } from "../models/huggingFace";
import type { ModelShape } from "../models/model";
import type { TensorData } from "../representations/representation";
import { openTensors, type TensorFile } from "../training/safetensors";
import { readShape, weightFiles } from "./huggingFaceFolder";
import { locate, readLlama2cFile, readOwnShape } from "./importModel";
import type { Which } from "./runFolder";

export interface OpenedModel extends Disposable {
  readonly shape: ModelShape;
  /** The folder or file that was opened. */
  readonly source: string;
  /** The run that it comes from. */
  readonly run?: string | undefined;
  /** The files that the weights are read from. */
  readonly files: readonly string[];
  readonly written: WrittenFile;
  /** Elements of one of the model's own tensors, from one to before another; all when left out. */
  read(name: string, from?: number, to?: number): TensorData;
}

export function openModel(path: string, which: Which = "last"): OpenedModel {
  const { kind, path: source, belongings } = locate(path, which);
  const shared = { source, run: belongings.run };
  if (kind === "llama2c") return { ...shared, ...openLlama2c(source) };
  const shape = kind === "checkpoint" ? readOwnShape(source) : readShape(source);
  const files = kind === "checkpoint" ? [join(source, "model.safetensors")] : weightFiles(source);
  return { ...shared, ...openFiles(shape, source, files) };
}

type Opened = Omit<OpenedModel, "source" | "run">;

function openFiles(shape: ModelShape, source: string, files: readonly string[]): Opened {
  const opened: TensorFile[] = [];
  const close = () => opened.forEach((file) => file[Symbol.dispose]());
  try {
    for (const file of files) opened.push(openTensors(file));
    const places = new Map(opened.flatMap((file) => [...file.shapes.keys()].map((name) => [name, file])));
    const bound = bindTensors(shape, source, new Map(opened.flatMap((file) => [...file.shapes])));
    const bytes = files.reduce((total, file) => total + statSync(file).size, 0);
    return {
      shape,
      files,
      written: {
        bytes,
        tensorBytes: (name) => {
          const inFile = bound.get(name) ?? "";
          return places.get(inFile)?.tensorBytes(inFile) ?? 0;
        },
      },
      read: (name, from, to) => {
        const inFile = bound.get(name)!;
        const data = places.get(inFile)!.read(inFile, from, to);
        if (!(data instanceof Int32Array)) return data;
        throw new WorkbenchError(
          "unsupported",
          `${inFile} in ${source} holds whole numbers where weights are wanted: quantised files are not read.`,
        );
      },
      [Symbol.dispose]: close,
    };
  } catch (thrown) {
    close();
    throw thrown;
  }
}

/** This format has no names to look tensors up by, and its models are small. */
function openLlama2c(path: string): Opened {
  const { shape, tensors, file } = readLlama2cFile(path);
  return {
    shape,
    files: [path],
    written: file!,
    read: (name, from, to) => (tensors.get(name)!.data as Float32Array).slice(from, to),
    [Symbol.dispose]: () => undefined,
  };
}
