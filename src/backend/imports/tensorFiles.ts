/** Binds the tensors of one or several safetensors files to the parameters of a model, and reads one tensor at a time. */
import { statSync } from "node:fs";
import { basename } from "node:path";
import { WorkbenchError } from "../../protocol/errors";
import type { WrittenFile } from "../models/accounting";
import type { Shape } from "../graph/op";
import { bindTensors, readFileRows } from "../models/huggingFace";
import { familyOf, type ModelShape, parametersOf } from "../models/model";
import type { TensorData } from "../representations/representation";
import { openCodedTensors } from "../coding/codedTensors";
import { floatDtypes, isFloat } from "../checkpoints/dtypes";
import type { HostTensor, TensorFile } from "../checkpoints/safetensors";
import { refuseLfsPointer } from "../data/lfsPointer";
import { listNames, type WeightFiles } from "./huggingFaceFolder";
import type { CodeLayoutName } from "./codeLayouts";
import { unpackCodes } from "./unpackCodes";

/** Options for files whose tensor names or contents do not quite match the model. */
export interface TensorOptions {
  /** Also skips unused tensors that belong to modules of the model. */
  readonly ignoreExtra?: boolean;
  /** Prefix that is removed from the names in the file. */
  readonly stripPrefix?: string;
  /** How the files pack the codes of quantized matrices. */
  readonly layout?: CodeLayoutName;
  /** Whether the files are checkpoints of Lathe, whose rows have the order of the model. */
  readonly isOwn?: boolean;
}

/** A tensor as the header of its file describes it. */
export interface FileTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: Shape;
  readonly bytes: number;
  /** Whether the model uses it. */
  readonly used: boolean;
}

export interface BoundTensors extends Disposable {
  readonly written: WrittenFile;
  readonly fileTensors: readonly FileTensor[];
  /** One line for each thing that was skipped or renamed. */
  readonly notices: readonly string[];
  /** Reads elements `from` to `to` (exclusive) of a tensor of the model; by default, all. */
  read(name: string, from?: number, to?: number): TensorData;
  /** A tensor of the model that remains usable after the files are closed. Large ones are read when they are used. */
  getTensor(name: string): HostTensor;
  /** Throws if a file contains a copy of a tied tensor with different values: one of the two would be lost silently. */
  checkTied(): void;
}

/** Opens every file and reads its header. Throws if the tensors do not fit the configuration, before any weight is read. */
export function bindFiles(
  shape: ModelShape,
  source: string,
  { files, index }: WeightFiles,
  options: TensorOptions = {},
): BoundTensors {
  if (options.layout !== undefined && familyOf(shape.family).fileRows !== undefined)
    throw new WorkbenchError(
      "unsupported",
      `${source}: quantized ${shape.family} models are not read, because their files have rows in another order. Use the model in float32, float16 or bfloat16.`,
    );
  const openFiles = new Map<string, TensorFile>();
  const close = () => openFiles.forEach((file) => file[Symbol.dispose]());
  try {
    for (const file of files) {
      refuseLfsPointer(file);
      openFiles.set(file, openCodedTensors(file));
    }
    const written = new Map<string, TensorFile>();
    for (const [path, file] of openFiles)
      for (const name of file.shapes.keys()) {
        if (written.has(name))
          throw new WorkbenchError(
            "corrupt",
            `${source}: ${name} is in two files, one of which is ${basename(path)}. Use another copy of the model.`,
          );
        written.set(name, file);
      }
    if (index !== undefined) checkIndex(source, index, openFiles);
    const places =
      options.layout === undefined ? written : unpackCodes(source, shape, options.layout, written);
    const names = stripNames(source, [...places.keys()], options.stripPrefix);
    const inFile = (name: string) => names.get(name)!;
    const sizes = new Map(
      [...names].map(([name, original]) => [name, places.get(original)!.shapes.get(original)!]),
    );
    const { bound, skipped } = bindTensors(shape, source, sizes, options);
    checkDtypes(shape, source, (name) => {
      const original = inFile(bound.get(name)!);
      return { original, dtype: places.get(original)!.dtypes.get(original)! };
    });
    const read = (name: string, from?: number, to?: number) =>
      places.get(inFile(name))!.read(inFile(name), from, to) as TensorData;
    const unused = new Set(skipped);
    const findOrder = (name: string) =>
      options.isOwn === true ? undefined : familyOf(shape.family).fileRows?.(shape.config, name);
    const readTensor = (name: string, from?: number, to?: number) => {
      const order = findOrder(name);
      return order === undefined
        ? read(bound.get(name)!, from, to)
        : readFileRows(order, read(bound.get(name)!)).slice(from, to);
    };
    return {
      written: {
        bytes: files.reduce((total, file) => total + statSync(file).size, 0),
        tensorBytes: (name) => {
          const original = names.get(bound.get(name) ?? "") ?? "";
          return places.get(original)?.tensorBytes(original) ?? 0;
        },
      },
      fileTensors: [...names].map(([name, original]) => {
        const file = places.get(original)!;
        return {
          name: original,
          dtype: file.dtypes.get(original)!,
          shape: file.shapes.get(original)!,
          bytes: file.tensorBytes(original),
          used: !unused.has(name),
        };
      }),
      notices: createNotices(source, skipped.map(inFile), options),
      read: readTensor,
      getTensor: (name) => {
        const original = inFile(bound.get(name)!);
        const file = places.get(original)!;
        return findOrder(name) === undefined
          ? file.getTensor(original)
          : { shape: file.shapes.get(original)!, data: readTensor(name) };
      },
      checkTied: () => {
        for (const [alias, name] of familyOf(shape.family).heads.language.tied(shape.config)) {
          const other = bound.get(name);
          if (names.has(alias) && other !== undefined && other !== alias)
            refuseDifferent(source, [alias, other], read);
        }
      },
      [Symbol.dispose]: close,
    };
  } catch (thrown) {
    close();
    throw thrown;
  }
}

function createNotices(
  source: string,
  skipped: readonly string[],
  { ignoreExtra, stripPrefix }: TensorOptions,
) {
  const notices: string[] = [];
  if (stripPrefix !== undefined)
    notices.push(`${source}: removed the prefix "${stripPrefix}" from the tensor names.`);
  if (skipped.length > 0) {
    const why = ignoreExtra === true ? " (ignore_extra_tensors)" : "";
    const what = skipped.length === 1 ? "a tensor" : `${skipped.length} tensors`;
    notices.push(`${source}: skipped ${what} that the model does not use${why}: ${listNames(skipped)}.`);
  }
  return notices;
}

/** Maps the names without the prefix to the names in the file. */
function stripNames(
  source: string,
  names: readonly string[],
  prefix: string | undefined,
): ReadonlyMap<string, string> {
  if (prefix === undefined) return new Map(names.map((name) => [name, name]));
  const stripped = new Map<string, string>();
  for (const name of names) {
    const short = name.startsWith(prefix) ? name.slice(prefix.length) : name;
    const other = stripped.get(short);
    if (other !== undefined)
      throw new WorkbenchError(
        "invalid-input",
        `${source}: without "${prefix}", ${name} and ${other} have the same name. Change strip_prefix.`,
      );
    stripped.set(short, name);
  }
  if (!names.some((name) => name.startsWith(prefix)))
    throw new WorkbenchError(
      "invalid-input",
      `${source}: strip_prefix is "${prefix}", but no tensor name starts with it. The first names are ${listNames(names)}.`,
    );
  return stripped;
}

/** Weights may have any floating-point type. Codes and masks must have the type that Lathe writes. */
function checkDtypes(
  shape: ModelShape,
  source: string,
  typeOf: (name: string) => { readonly original: string; readonly dtype: string },
): void {
  for (const { name, dtype: expectedType } of parametersOf(shape)) {
    const { original, dtype } = typeOf(name);
    const fits =
      expectedType === "float32"
        ? isFloat(dtype)
        : expectedType === "int8"
          ? dtype === "I8"
          : /^(BOOL|U8)$/.test(dtype);
    if (!fits)
      throw new WorkbenchError(
        "unsupported",
        `${source}: ${original} is stored as ${dtype}, which cannot be loaded as ${expectedType === "float32" ? "a weight" : `a tensor of ${expectedType}`}. ` +
          (expectedType === "float32"
            ? `Supported types: ${floatDtypes.join(", ")}. Quantized files are not supported; use the unquantized model.`
            : "Use another copy of the checkpoint."),
      );
  }
}

function checkIndex(
  source: string,
  index: ReadonlyMap<string, string>,
  openFiles: ReadonlyMap<string, TensorFile>,
): void {
  const absent = [...index].filter(([name, file]) => !openFiles.get(file)!.shapes.has(name));
  if (absent.length === 0) return;
  throw new WorkbenchError(
    "corrupt",
    `${source}: model.safetensors.index.json lists ${listNames(absent.map(([name]) => name))} in ` +
      `${basename(absent[0]![1])}, but the file does not contain it. The files belong to different models; use another copy.`,
  );
}

/** Number of elements compared at a time, which limits the memory for large embeddings. */
const chunkLength = 2 ** 22;

function refuseDifferent(
  source: string,
  [alias, name]: readonly [string, string],
  read: (name: string, from: number, to: number) => TensorData,
): void {
  for (let from = 0, length = chunkLength; length === chunkLength; from += length) {
    const [aliasData, tensorData] = [
      read(alias, from, from + chunkLength),
      read(name, from, from + chunkLength),
    ];
    length = aliasData.length;
    if (
      aliasData.length === tensorData.length &&
      aliasData.every((each, i) => Object.is(each, tensorData[i]))
    )
      continue;
    throw new WorkbenchError(
      "invalid-input",
      `${source}: the configuration ties ${alias} to ${name}, but the file holds two different tensors. ` +
        'If both are intended, set "tie_word_embeddings": false in config.json.',
    );
  }
}
