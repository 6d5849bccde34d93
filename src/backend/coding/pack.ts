/** Packs the tensors of a model into the bits that are counted for them, according to their packing and masks. */
import { parametersOf } from "../models/model";
import type { ParameterSpec } from "../representations/representation";
import type { Checkpoint } from "../checkpoints/checkpoint";
import type { StoredDtype } from "../checkpoints/halfPrecision";
import { type CodedTensors, encodeTensors } from "./codedTensors";
import type { OpenStep } from "./codecs";

export interface PackOptions {
  /** Type of the tensors that are not codes or masks. */
  readonly dtype: StoredDtype;
  /** Whether to also entropy-code codes, masks and bfloat16 weights if this is smaller. */
  readonly entropyCoding: boolean;
}

export function pack(
  { shape, tensors }: Pick<Checkpoint, "shape" | "tensors">,
  options: PackOptions,
): CodedTensors {
  const specs = new Map(parametersOf(shape).map((spec) => [spec.name, spec]));
  return encodeTensors(tensors, (name) => selectChains(specs.get(name)!, options));
}

/** The chains to try for a tensor; empty if it is stored unchanged. */
function selectChains(
  { packing, dtype: sourceType }: ParameterSpec,
  { dtype, entropyCoding: entropy }: PackOptions,
): OpenStep[][] {
  const maskSteps: OpenStep[] = packing?.keptBy === undefined ? [] : [{ codec: "kept", by: packing.keptBy }];
  const codes: OpenStep | undefined =
    packing?.ternary === true
      ? { codec: "ternary" }
      : packing?.integers && { codec: "integers", ...packing.integers };
  if (codes !== undefined) {
    const plain = [...maskSteps, codes];
    const huffman = { codec: "huffman" } as const;
    return entropy ? [plain, [...plain, huffman], [...maskSteps, huffman]] : [plain];
  }
  if (sourceType !== "float32" || (dtype === "float32" && maskSteps.length === 0)) return [];
  if (dtype === "float32") return [maskSteps];
  const half: OpenStep[] = [...maskSteps, { codec: "half", dtype }];
  return entropy && dtype === "bfloat16" ? [half, [...half, { codec: "dfloat11" }]] : [half];
}
