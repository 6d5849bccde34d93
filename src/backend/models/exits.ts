/**
 * Exits: small heads on the hidden states between two layers, with which a text can leave the model early (Sun et al., When
 * Neural Code Completion Models Size up the Situation, ICSE 2024, arXiv 2401.09964). The configuration lists after how many
 * layers they are. An exit translates the hidden state and then uses the model's last norm and head (the tuned lens, Belrose et
 * al. 2023, arXiv 2303.08112); its classifier predicts whether to continue, to leave, or to stop the text.
 */
import { WorkbenchError } from "../../protocol/errors";
import type { ParameterSpec } from "../representations/representation";
import { models } from "./catalog";
import { getHead } from "./classifier";
import { hiddenAxis } from "./specs";

type Config = Readonly<Record<string, unknown>>;

/** Same as in `ModelShape`, which cannot be imported here because it depends on this file. */
interface Shape {
  readonly family: string;
  readonly config: Config;
}

/** The outputs of an exit's classifier, in order. */
export const exitClasses = ["continue", "exit", "stop"] as const;

/** Returns the numbers of layers after which the model has exits, in ascending order; none for most models. */
export function getExitLayers({ exit_layers: layers }: Config): readonly number[] {
  return Array.isArray(layers) ? (layers as readonly number[]) : [];
}

export const hasExits = ({ config }: Pick<Shape, "config">): boolean => getExitLayers(config).length > 0;

/** `exit after 1 layer`, `exits after 1, 3 layers`, `exits after all layers but the last` */
export function describeExits(layers: readonly number[] | "all"): string {
  if (layers === "all") return "exits after all layers but the last";
  const isOne = layers.length === 1;
  return `${isOne ? "exit" : "exits"} after ${layers.join(", ")} ${isOne && layers[0] === 1 ? "layer" : "layers"}`;
}

/** The role of everything that belongs to an exit. */
export const exitRole = (layer: number): string => `exits.${layer}`;

export interface ExitNames {
  /** [width, width] and [width]: the translated state is x + x·weight + bias. */
  readonly weight: string;
  readonly bias: string;
  /** [width, 3] and [3]: scores of `exitClasses`. */
  readonly classWeight: string;
  readonly classBias: string;
}

export function getExitNames(layer: number): ExitNames {
  const role = exitRole(layer);
  return {
    weight: `${role}.weight`,
    bias: `${role}.bias`,
    classWeight: `${role}.classifier.weight`,
    classBias: `${role}.classifier.bias`,
  };
}

/** Lists the tensors of the exits. With zeros, an exit is the head on the state as it is. */
export function listExitParameters(config: Config, width: number): ParameterSpec[] {
  return getExitLayers(config).flatMap((layer) => {
    const { weight, bias, classWeight, classBias } = getExitNames(layer);
    const hidden = hiddenAxis(width);
    const classes = { kind: "classes", units: exitClasses.length, unit: 1 } as const;
    const define = (name: string, axes: NonNullable<ParameterSpec["axes"]>): ParameterSpec => ({
      name,
      shape: axes.map(({ units }) => units),
      dtype: "float32",
      init: { kind: "zeros" },
      trainable: true,
      decay: axes.length > 1,
      role: exitRole(layer),
      embedding: false,
      axes,
    });
    return [
      define(weight, [hidden, hidden]),
      define(bias, [hidden]),
      define(classWeight, [hidden, classes]),
      define(classBias, [classes]),
    ];
  });
}

/** Throws if a model of this kind or depth cannot have its exits. */
export function checkExitLayers({ family: name, config }: Shape): void {
  const exits = getExitLayers(config);
  if (exits.length === 0) return;
  const family = models[name]!;
  const refuse = (why: string) => new WorkbenchError("unsupported", `The model cannot have exits: ${why}`);
  if (getHead(config) !== undefined)
    throw refuse("its head predicts no tokens. Exits predict the next token of a language model.");
  if (family.heads.language.task !== "causal-lm")
    throw refuse(`${family.title} is an encoder. Exits predict the next token; use a decoder.`);
  const { layers } = family.dimensions(config);
  const beyond = exits.find((layer) => layer >= layers);
  if (beyond !== undefined)
    throw new WorkbenchError(
      "invalid-input",
      layers < 2
        ? "The model cannot have exits: it has only one layer."
        : `There is no exit after ${beyond} layers: the model has ${layers}. Allowed: ${layers === 2 ? "1" : `1 to ${layers - 1}`}.`,
    );
  if (exits.some((layer, i) => i > 0 && layer <= exits[i - 1]!))
    throw new WorkbenchError(
      "invalid-input",
      `exit_layers is ${exits.join(", ")}; list each number once, in ascending order.`,
    );
}

/** Returns the model with exits after these numbers of layers, or after each but the last, besides those that it has. */
export function withExits<S extends Shape>(shape: S, layers: readonly number[] | "all"): S {
  const named = layers === "all" ? listInnerLayers(shape) : layers;
  const all = [...new Set([...getExitLayers(shape.config), ...named])].sort((a, b) => a - b);
  const changed = { ...shape, config: { ...shape.config, exit_layers: all } };
  checkExitLayers(changed);
  return changed;
}

/** Numbers of layers after which another one follows. A model with a single layer gets an exit that is then refused. */
function listInnerLayers({ family, config }: Shape): number[] {
  const { layers } = models[family]!.dimensions(config);
  return Array.from({ length: Math.max(1, layers - 1) }, (_, i) => i + 1);
}

/** Returns the model without its exits. */
export function withoutExits<S extends Shape>(shape: S): S {
  const { exit_layers: _, ...config } = shape.config;
  return { ...shape, config };
}

/** Refuses to change weights that exits were trained for. */
export function refuseExits({ config }: Pick<Shape, "config">, what: string): void {
  const exits = getExitLayers(config);
  if (exits.length === 0) return;
  throw new WorkbenchError(
    "unsupported",
    `${what} would change the hidden states that the ${describeExits(exits)} learned from. Train exits in the last train step, after everything that changes the model.`,
  );
}
