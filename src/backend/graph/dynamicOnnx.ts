/**
 * Builds one ONNX model with dynamic axes from models of the same graph at several sizes. Graphs have static shapes, so
 * the models may differ only in the sizes that nodes reshape to and in lists of positions. Each such number must be the
 * same product of axes in every sample; the merged model computes it from the shapes of its inputs. Any other difference
 * is an error.
 */
import { computeContentKey } from "./graph";
import { encodeAttributes, type Initializer, type OnnxModel } from "./onnx";
import type { OnnxNode } from "./onnxSchema";
import type { Port, Size } from "./onnx";
import { onnxDtype, sizeOf } from "./op";

/** An axis whose size is read from an input at run time. */
export interface DynamicAxis {
  readonly name: string;
  readonly input: string;
  readonly axis: number;
  /** The size of the axis in each sample. */
  readonly sizes: readonly number[];
}

/** `factor` times the sizes of these axes. */
interface Product {
  readonly factor: number;
  readonly axes: readonly DynamicAxis[];
}

/** Merges at least three samples: two determine the products and the others verify them. */
export function mergeSizes(models: readonly OnnxModel[], axes: readonly DynamicAxis[]): OnnxModel {
  const [first] = models as readonly [OnnxModel];
  requireEqual(models, "nodes", ({ nodes }) => nodes);
  requireEqual(models, "functions", ({ functions }) => functions);
  requireEqual(models, "constants", ({ initializers }) => initializers.map(({ name }) => name));
  const fit = (values: readonly number[], what: string) => fitProduct(values, axes, what);
  const sizes = new SizeNodes();
  const initializers: Initializer[] = [];
  const aliases = new Map<string, string>();
  const namesByContent = new Map<string, string>();
  first.initializers.forEach((initializer, i) => {
    const { name, type, data } = initializer;
    const samples = models.map((model) => model.initializers[i]!);
    if (samples.every((each) => isEqual(each, initializer))) {
      const key = computeContentKey(type, data);
      const same = key === undefined ? undefined : namesByContent.get(key);
      if (same !== undefined) {
        aliases.set(name, same);
        return;
      }
      if (key !== undefined) namesByContent.set(key, name);
      initializers.push(initializer);
    } else if (
      type.dtype === "int64" &&
      samples.every(({ type: { shape } }) => shape.join() === `${sizeOf(type.shape)}`)
    ) {
      const columns = Array.from({ length: data.length }, (_, at) =>
        fit(
          samples.map((each) => Number(each.data[at])),
          name,
        ),
      );
      sizes.shape(name, columns);
    } else if (type.dtype === "int32" && samples.every(isRange))
      sizes.range(
        name,
        fit(
          samples.map(({ data: { length } }) => length),
          name,
        ),
      );
    else
      throw new Error(`${name} is ${type.dtype} [${type.shape.join(", ")}] and differs between the samples.`);
  });
  const ports = (of: (model: OnnxModel) => readonly Port[]) =>
    of(first).map((port, i): Port => {
      const shape = port.shape.map((_, axis): Size => {
        const product = fit(
          models.map((model) => Number(of(model)[i]!.shape[axis])),
          port.name,
        );
        if (product.axes.length === 0) return product.factor;
        return [
          ...(product.factor === 1 ? [] : [product.factor]),
          ...product.axes.map(({ name }) => name),
        ].join("*");
      });
      return { ...port, shape };
    });
  const nodes = first.nodes.map((node) => ({
    ...node,
    input: node.input.map((name) => aliases.get(name) ?? name),
  }));
  return {
    portable: first.portable,
    functions: first.functions,
    nodes: [...sizes.nodes, ...nodes],
    initializers: [...sizes.initializers, ...initializers],
    inputs: ports(({ inputs }) => inputs),
    outputs: ports(({ outputs }) => outputs),
  };
}

function requireEqual(models: readonly OnnxModel[], what: string, of: (model: OnnxModel) => unknown): void {
  const [first, ...others] = models.map((model) => JSON.stringify(of(model)));
  if (others.some((each) => each !== first))
    throw new Error(`The ${what} of the graph differ between the samples.`);
}

function isEqual(a: Initializer, b: Initializer): boolean {
  if (a.data === b.data) return true;
  if (a.type.shape.join() !== b.type.shape.join() || a.data.length !== b.data.length) return false;
  for (let i = 0; i < a.data.length; i++) if (a.data[i] !== b.data[i]) return false;
  return true;
}

function isRange({ type, data }: Initializer): boolean {
  return type.shape.length === 1 && data.every((each: number | bigint, i: number) => Number(each) === i);
}

/** The product with the fewest axes that matches every sample. */
function fitProduct(values: readonly number[], axes: readonly DynamicAxis[], what: string): Product {
  for (const chosen of listSubsets(axes)) {
    const factors = values.map((value, sample) =>
      chosen.reduce((rest, { sizes }) => rest / sizes[sample]!, value),
    );
    const [factor] = factors as [number];
    if (Number.isInteger(factor) && factors.every((each) => each === factor)) return { factor, axes: chosen };
  }
  throw new Error(
    `${what} is ${values.join(", ")} where ${axes.map(({ name, sizes }) => `${name} is ${sizes.join(", ")}`).join(" and ")}, which is not a product of these axes.`,
  );
}

function listSubsets<T>(items: readonly T[]): T[][] {
  const all = items.reduce<T[][]>((sets, item) => [...sets, ...sets.map((set) => [...set, item])], [[]]);
  return all.sort((a, b) => a.length - b.length);
}

/** Nodes that compute sizes from the shapes of the inputs, without duplicates. */
class SizeNodes {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: Initializer[] = [];
  readonly #made = new Set<string>();

  /** Adds an int64 [n] tensor with one product per element. */
  shape(name: string, columns: readonly Product[]): void {
    const pieces = columns.map((product) => this.#product(product));
    this.#node(name, "Concat", pieces, { axis: 0 });
  }

  /** Adds int32 [n]: 0, 1, …, n - 1. */
  range(name: string, product: Product): void {
    const count = this.#once(`${name}/count`, "Cast", [this.#product(product)], { to: onnxDtype.int32 });
    const limit = this.#once(`${name}/limit`, "Squeeze", [count]);
    const [start, step] = [0, 1].map((value) =>
      this.#constant(`size/int32/${value}`, Int32Array.of(value), []),
    );
    this.#node(name, "Range", [start!, limit, step!]);
  }

  /** int64 [1] */
  #product({ factor, axes }: Product): string {
    const names = axes.map(({ name, input, axis }) =>
      this.#once(`size/${name}`, "Shape", [input], { start: axis, end: axis + 1 }),
    );
    if (factor !== 1 || axes.length === 0)
      names.unshift(this.#constant(`size/${factor}`, BigInt64Array.of(BigInt(factor)), [1]));
    return names.reduce((left, right) =>
      this.#once(`${left}*${right.replace("size/", "")}`, "Mul", [left, right]),
    );
  }

  #constant(name: string, data: Int32Array | BigInt64Array, shape: readonly number[]): string {
    if (!this.#made.has(name)) {
      const dtype = data instanceof Int32Array ? "int32" : "int64";
      this.initializers.push({ name, type: { dtype, shape }, data });
      this.#made.add(name);
    }
    return name;
  }

  #once(
    name: string,
    opType: string,
    input: readonly string[],
    attributes: Record<string, number> = {},
  ): string {
    if (!this.#made.has(name)) this.#node(name, opType, input, attributes);
    this.#made.add(name);
    return name;
  }

  #node(
    name: string,
    opType: string,
    input: readonly string[],
    attributes: Record<string, number> = {},
  ): void {
    this.nodes.push({ name, opType, input, output: [name], attribute: encodeAttributes(attributes) });
  }
}
