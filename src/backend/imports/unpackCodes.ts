/**
 * Presents the packed codes of GPTQ, AWQ and compressed-tensors as the tensors of the representation `quantised`: codes
 * [inputs, outputs], scales and zero points [groups, outputs]. Sizes are checked at once, values when they are read.
 */
import { WorkbenchError } from "../../protocol/errors";
import type { TensorFile } from "../checkpoints/safetensors";
import { readCode } from "../coding/packedWords";
import type { Shape } from "../graph/op";
import { listMatrixSlots, type ModelShape } from "../models/model";
import type { MatrixSpec } from "../representations/representation";
import {
  codesName,
  countGroups,
  type QuantizedOptions,
  scalesName,
  zerosName,
} from "../representations/quantised";
import { type CodeLayout, type CodeLayoutName, codeLayouts, type PackedSizes } from "./codeLayouts";

/** The files of the tensors by name. */
export type TensorPlaces = ReadonlyMap<string, TensorFile>;

/** Replaces the packed tensors of every quantized matrix; all others stay as they are. */
export function unpackCodes(
  source: string,
  shape: ModelShape,
  layoutName: CodeLayoutName,
  places: TensorPlaces,
): TensorPlaces {
  const layout = codeLayouts[layoutName];
  const matrices = listMatrixSlots(shape).flatMap(({ stored }) =>
    stored.flatMap(({ matrix, type, options }) =>
      type === "quantised" ? [{ matrix, options: options as QuantizedOptions }] : [],
    ),
  );
  const result = new Map(places);
  const codesSuffix = `.${layout.names.codes}`;
  for (const name of places.keys()) {
    if (!name.endsWith(codesSuffix)) continue;
    const module = name.slice(0, -codesSuffix.length);
    const quantised = matrices.find(({ matrix }) => isSameModule(module, matrix.name));
    if (quantised === undefined) continue;
    const packed = new PackedMatrix(source, module, layout, quantised, places);
    for (const each of packed.names) result.delete(each);
    // The names of the model may have a prefix that those of the file lack, or the reverse.
    const rename = (own: string) => `${module}${own.slice(quantised.matrix.name.length)}`;
    const file = packed.present(rename);
    for (const own of file.shapes.keys()) result.set(own, file);
  }
  return result;
}

const isSameModule = (module: string, name: string): boolean =>
  module === name || module.endsWith(`.${name}`) || name.endsWith(`.${module}`);

interface PackedTensor {
  readonly name: string;
  readonly shape: Shape;
  readonly file: TensorFile;
}

class PackedMatrix {
  readonly #matrix: MatrixSpec;
  readonly #options: QuantizedOptions;
  readonly #sizes: PackedSizes;
  readonly #codes: PackedTensor;
  readonly #scales: PackedTensor;
  readonly #zeros: PackedTensor | undefined;
  readonly #order: PackedTensor | undefined;
  readonly #size: PackedTensor | undefined;

  constructor(
    private readonly source: string,
    private readonly module: string,
    private readonly layout: CodeLayout,
    { matrix, options }: { readonly matrix: MatrixSpec; readonly options: QuantizedOptions },
    places: TensorPlaces,
  ) {
    this.#matrix = matrix;
    this.#options = options;
    const { inputs, outputs } = matrix;
    const { bits, symmetric } = options;
    const groups = countGroups(matrix, options);
    const sizes = (this.#sizes = { inputs, outputs, groups, bits });
    const find = (suffix: string, shape: Shape, isInteger: boolean): PackedTensor => {
      const name = `${module}.${suffix}`;
      const file = places.get(name);
      if (file === undefined) throw this.#refuse(`${name} is missing`);
      const [size, dtype] = [file.shapes.get(name)!, file.dtypes.get(name)!];
      if (size.join() !== shape.join())
        throw this.#refuse(
          `${name} is [${size.join(", ")}] where ${bits} bits in ${groups === 1 ? "one group" : `${groups} groups`} take [${shape.join(", ")}]`,
        );
      if (isInteger ? dtype !== "I32" : !/^B?F(16|32)$/.test(dtype))
        throw this.#refuse(
          `${name} is stored as ${dtype}, and supported is ${isInteger ? "I32" : "F32, F16 or BF16"}`,
        );
      return { name, shape, file };
    };
    const { names } = layout;
    this.#codes = find(names.codes, layout.codesShape(sizes), true);
    this.#scales = find(names.scales, layout.scalesByOutput ? [outputs, groups] : [groups, outputs], false);
    this.#zeros =
      symmetric && !layout.alwaysHasZeros ? undefined : find(names.zeros, layout.zerosShape(sizes), true);
    const findOptional = (suffix: string | undefined, shape: Shape) =>
      suffix === undefined ? undefined : findPlain(places, `${module}.${suffix}`, shape);
    this.#size = findOptional(names.size, [2]);
    this.#order = findOptional(names.order, [inputs]);
    this.#refuseSize();
    this.#refuseOrder();
  }

  /** The names of its tensors in the file. */
  get names(): readonly string[] {
    return [this.#codes, this.#scales, this.#zeros, this.#order, this.#size].flatMap((each) =>
      each === undefined ? [] : [each.name],
    );
  }

  /** The tensors of the representation, under other names. */
  present(rename: (own: string) => string): TensorFile {
    const { inputs, outputs } = this.#matrix;
    const { groups } = this.#sizes;
    const bytesOf = ({ name, file }: PackedTensor) => file.tensorBytes(name);
    const tensors = new Map<
      string,
      {
        readonly shape: Shape;
        readonly dtype: string;
        readonly bytes: number;
        read(): Float32Array | Int8Array;
      }
    >([
      [
        rename(codesName(this.#matrix)),
        { shape: [inputs, outputs], dtype: "I8", bytes: bytesOf(this.#codes), read: () => this.#readCodes() },
      ],
      [
        rename(scalesName(this.#matrix)),
        {
          shape: [groups, outputs],
          dtype: "F32",
          bytes: bytesOf(this.#scales),
          read: () => this.#readScales(),
        },
      ],
    ]);
    if (!this.#options.symmetric)
      tensors.set(rename(zerosName(this.#matrix)), {
        shape: [groups, outputs],
        dtype: "I8",
        bytes: bytesOf(this.#zeros!),
        read: () => this.#readZeros(),
      });
    return {
      metadata: {},
      shapes: new Map([...tensors].map(([name, { shape }]) => [name, shape])),
      dtypes: new Map([...tensors].map(([name, { dtype }]) => [name, dtype])),
      tensorBytes: (name) => tensors.get(name)?.bytes ?? 0,
      read: (name, from, to) => {
        const data = tensors.get(name)!.read();
        return from === undefined && to === undefined ? data : data.slice(from, to);
      },
      getTensor: (name) => {
        const tensor = tensors.get(name)!;
        return { shape: tensor.shape, data: tensor.read() };
      },
      [Symbol.dispose]: () => undefined, // The files are closed by their owner.
    };
  }

  #readCodes(): Int8Array {
    const { inputs, outputs } = this.#matrix;
    const { bits } = this.#options;
    const words = readWords(this.#codes);
    const half = 2 ** (bits - 1);
    // In a file that always has zero points, those of a symmetric matrix are half of the range.
    if (this.#options.symmetric && this.#zeros !== undefined) this.#refuseZeros();
    const out = new Int8Array(inputs * outputs);
    for (let output = 0; output < outputs; output++)
      for (let input = 0; input < inputs; input++) {
        const { at, stride, index } = this.layout.placeCode(this.#sizes, input, output);
        out[input * outputs + output] = readCode({ words, at, stride, bits }, index) - half;
      }
    return out;
  }

  #readScales(): Float32Array {
    const data = this.#scales.file.read(this.#scales.name) as Float32Array;
    if (!this.layout.scalesByOutput) return data;
    const { outputs, groups } = this.#sizes;
    const out = new Float32Array(data.length);
    for (let output = 0; output < outputs; output++)
      for (let group = 0; group < groups; group++)
        out[group * outputs + output] = data[output * groups + group]!;
    return out;
  }

  /** In the range of the codes: 0 is half of the range in the file. */
  #readZeros(): Int8Array {
    const { outputs, groups, bits } = this.#sizes;
    const words = readWords(this.#zeros!);
    const half = 2 ** (bits - 1);
    const out = new Int8Array(groups * outputs);
    for (let group = 0; group < groups; group++)
      for (let output = 0; output < outputs; output++) {
        const { at, stride, index } = this.layout.placeZero(this.#sizes, group, output);
        const zero = readCode({ words, at, stride, bits }, index) + this.layout.zeroOffset;
        if (zero === 2 ** bits)
          throw this.#refuse(
            `a zero point of ${this.#zeros!.name} is ${zero}, which is not a code of ${bits} bits`,
          );
        out[group * outputs + output] = zero - half;
      }
    return out;
  }

  #refuseZeros(): void {
    const other = this.#readZeros().find((zero) => zero !== 0);
    if (other !== undefined)
      throw this.#refuse(
        `${this.#zeros!.name} has the zero point ${other + 2 ** (this.#options.bits - 1)}, but quantization_config.sym is true`,
      );
  }

  /** Packed codes of matrices with other sizes can have the same shape. */
  #refuseSize(): void {
    if (this.#size === undefined) return;
    const { name, file } = this.#size;
    const { inputs, outputs } = this.#sizes;
    const size = [...file.read(name)].join(", ");
    if (size !== `${outputs}, ${inputs}`)
      throw this.#refuse(`${name} is [${size}] where the configuration gives [${outputs}, ${inputs}]`);
  }

  /** The group of each input has to follow from its place. */
  #refuseOrder(): void {
    if (this.#order === undefined) return;
    const { name, file } = this.#order;
    const groups = file.read(name);
    const size = this.#matrix.inputs / this.#sizes.groups;
    const at = groups.findIndex((group, input) => group !== Math.floor(input / size));
    if (at >= 0)
      throw this.#refuse(
        `${name} puts input ${at} into group ${groups[at]}; groups in the order of activations (desc_act, actorder) are not supported`,
      );
  }

  #refuse(why: string): WorkbenchError {
    return new WorkbenchError(
      "unsupported",
      `${this.source}: ${this.module} cannot be read as quantized: ${why}. Check that config.json and the weights belong together, or use another export of the model.`,
    );
  }
}

const readWords = ({ name, file }: PackedTensor): Int32Array => file.read(name) as Int32Array;

function findPlain(places: TensorPlaces, name: string, shape: Shape): PackedTensor | undefined {
  const file = places.get(name);
  if (file === undefined || file.shapes.get(name)!.join() !== shape.join()) return undefined;
  return { name, shape, file };
}
