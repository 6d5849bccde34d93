/** The weights of a model in one or several safetensors files, bound to its parameters and read one tensor at a time. */
import { statSync } from "node:fs";
import { basename } from "node:path";
import { WorkbenchError } from "../../protocol/errors";
import type { WrittenFile } from "../models/accounting";
import { bindTensors } from "../models/huggingFace";
import { familyOf, type ModelShape } from "../models/model";
import type { TensorData } from "../representations/representation";
import { openCodedTensors } from "../coding/codedTensors";
import type { TensorFile } from "../checkpoints/safetensors";
import { listed, type WeightFiles } from "./huggingFaceFolder";

export interface BoundTensors extends Disposable {
  readonly written: WrittenFile;
  /** Elements of one of the model's own tensors, from one to before another; all when left out. */
  read(name: string, from?: number, to?: number): TensorData;
  /** Throws where a file repeats a tied tensor with other numbers: one of the two would be lost silently. */
  checkTied(): void;
}

/** Opens every file and reads its header; whatever does not fit the configuration is said before a weight is read. */
export function bindFiles(shape: ModelShape, source: string, { files, index }: WeightFiles): BoundTensors {
  const opened = new Map<string, TensorFile>();
  const close = () => opened.forEach((file) => file[Symbol.dispose]());
  try {
    for (const file of files) opened.set(file, openCodedTensors(file));
    const places = new Map<string, TensorFile>();
    for (const [path, file] of opened)
      for (const name of file.shapes.keys()) {
        if (places.has(name))
          throw new WorkbenchError(
            "corrupt",
            `${source}: ${name} is in two of the files, ${basename(path)} among them. Use another copy of the model.`,
          );
        places.set(name, file);
      }
    if (index !== undefined) checkIndex(source, index, opened);
    const sizes = new Map([...opened.values()].flatMap((file) => [...file.shapes]));
    const bound = bindTensors(shape, source, sizes);
    const read = (inFile: string, from?: number, to?: number): TensorData => {
      const data = places.get(inFile)!.read(inFile, from, to);
      if (!(data instanceof Int32Array)) return data;
      throw new WorkbenchError(
        "unsupported",
        `${inFile} in ${source} holds whole numbers where weights are wanted: quantised files are not read. Use the unquantised model.`,
      );
    };
    return {
      written: {
        bytes: files.reduce((total, file) => total + statSync(file).size, 0),
        tensorBytes: (name) => {
          const inFile = bound.get(name) ?? "";
          return places.get(inFile)?.tensorBytes(inFile) ?? 0;
        },
      },
      read: (name, from, to) => read(bound.get(name)!, from, to),
      checkTied: () => {
        for (const [alias, name] of familyOf(shape.family).tied(shape.config))
          if (places.has(alias) && places.has(name)) refuseDifferent(source, [alias, name], read);
      },
      [Symbol.dispose]: close,
    };
  } catch (thrown) {
    close();
    throw thrown;
  }
}

function checkIndex(
  source: string,
  index: ReadonlyMap<string, string>,
  opened: ReadonlyMap<string, TensorFile>,
): void {
  const absent = [...index].filter(([name, file]) => !opened.get(file)!.shapes.has(name));
  if (absent.length === 0) return;
  throw new WorkbenchError(
    "corrupt",
    `${source}: model.safetensors.index.json promises ${listed(absent.map(([name]) => name))} in ` +
      `${basename(absent[0]![1])}, which does not hold it. The files belong to different models: use another copy.`,
  );
}

/** Elements that are compared at a time: the largest tensors of a model are its embeddings. */
const comparedAtOnce = 2 ** 22;

function refuseDifferent(
  source: string,
  [alias, name]: readonly [string, string],
  read: (name: string, from: number, to: number) => TensorData,
): void {
  for (let from = 0, length = comparedAtOnce; length === comparedAtOnce; from += length) {
    const [one, other] = [read(alias, from, from + comparedAtOnce), read(name, from, from + comparedAtOnce)];
    length = one.length;
    if (one.length === other.length && one.every((each, i) => Object.is(each, other[i]))) continue;
    throw new WorkbenchError(
      "invalid-input",
      `${source}: the configuration ties ${alias} to ${name}, but the file holds two different tensors. ` +
        'Write "tie_word_embeddings": false into config.json if both are meant.',
    );
  }
}
