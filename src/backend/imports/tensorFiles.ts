/** The weights of a model in one or several safetensors files, bound to its parameters and read one tensor at a time. */
import { statSync } from "node:fs";
import { basename } from "node:path";
import { WorkbenchError } from "../../protocol/errors";
import type { WrittenFile } from "../models/accounting";
import type { Shape } from "../graph/op";
import { bindTensors } from "../models/huggingFace";
import { familyOf, type ModelShape, parametersOf } from "../models/model";
import type { TensorData } from "../representations/representation";
import { openCodedTensors } from "../coding/codedTensors";
import { floatDtypes, isFloat } from "../checkpoints/dtypes";
import type { TensorFile } from "../checkpoints/safetensors";
import { refuseLfsPointer } from "../data/lfsPointer";
import { listed, type WeightFiles } from "./huggingFaceFolder";

/** How tensors are found in a file whose names or contents are not quite those of the model. */
export interface TensorOptions {
  /** Also skip tensors that belong to modules of the model. */
  readonly ignoreExtra?: boolean;
  /** What to take off the names in the file. */
  readonly stripPrefix?: string;
}

/** A tensor of a file as its header describes it. */
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
  /** What was skipped or renamed, a line each. */
  readonly notices: readonly string[];
  /** Elements of one of the model's own tensors, from one to before another; all when left out. */
  read(name: string, from?: number, to?: number): TensorData;
  /** Throws where a file repeats a tied tensor with other numbers: one of the two would be lost silently. */
  checkTied(): void;
}

/** Opens every file and reads its header; whatever does not fit the configuration is reported before a weight is read. */
export function bindFiles(
  shape: ModelShape,
  source: string,
  { files, index }: WeightFiles,
  options: TensorOptions = {},
): BoundTensors {
  const opened = new Map<string, TensorFile>();
  const close = () => opened.forEach((file) => file[Symbol.dispose]());
  try {
    for (const file of files) {
      refuseLfsPointer(file);
      opened.set(file, openCodedTensors(file));
    }
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
      notices: noticesOf(source, skipped.map(inFile), options),
      read: (name, from, to) => read(bound.get(name)!, from, to),
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

function noticesOf(source: string, skipped: readonly string[], { ignoreExtra, stripPrefix }: TensorOptions) {
  const notices: string[] = [];
  if (stripPrefix !== undefined)
    notices.push(`${source}: stripped "${stripPrefix}" from the names of tensors.`);
  if (skipped.length > 0) {
    const why = ignoreExtra === true ? " (ignore_extra_tensors)" : "";
    const what = skipped.length === 1 ? "a tensor" : `${skipped.length} tensors`;
    notices.push(`${source}: skipped ${what} that the model does not use${why}: ${listed(skipped)}.`);
  }
  return notices;
}

/** The name in the file of each tensor by its name without the prefix. */
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
        `${source}: without "${prefix}", ${name} and ${other} have the same name. Strip another prefix.`,
      );
    stripped.set(short, name);
  }
  if (!names.some((name) => name.startsWith(prefix)))
    throw new WorkbenchError(
      "invalid-input",
      `${source}: strip_prefix is "${prefix}", but no tensor begins with it. The first are ${listed(names)}.`,
    );
  return stripped;
}

/** Weights may be of any floating-point type; codes and masks are as Lathe writes them. */
function checkDtypes(
  shape: ModelShape,
  source: string,
  typeOf: (name: string) => { readonly original: string; readonly dtype: string },
): void {
  for (const { name, dtype: wanted } of parametersOf(shape)) {
    const { original, dtype } = typeOf(name);
    const fits =
      wanted === "float32" ? isFloat(dtype) : wanted === "int8" ? dtype === "I8" : /^(BOOL|U8)$/.test(dtype);
    if (!fits)
      throw new WorkbenchError(
        "unsupported",
        `${source}: ${original} is stored as ${dtype}, which is not read as ${wanted === "float32" ? "a weight" : `a tensor of ${wanted}`}. ` +
          (wanted === "float32"
            ? `Weights are read from ${floatDtypes.join(", ")}. Quantized files are not read: use the unquantized model.`
            : "Use another copy of the checkpoint."),
      );
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
