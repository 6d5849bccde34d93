/** Histograms like those of a training: weights spread out, gradients shrink, one gradient breaks. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { WatchWriter, watchFileName } from "../../src/backend/runs/metrics/watchFile";
import type { WatchRecord } from "../../src/backend/training/watch";
import type { WatchedTensor } from "../../src/protocol/watch";
import { countPlainly } from "./plainSpread";
import { createUniform } from "./sampleValues";

const roles = ["self_attn.q_proj", "mlp.down_proj"];

export function listSampleTensors(layers: number): WatchedTensor[] {
  const places = Array.from({ length: layers }, (_, layer) => roles.map((role) => ({ layer, role }))).flat();
  const inLayers = (["weights", "gradients", "activations"] as const).flatMap((what) =>
    places.map(({ layer, role }): WatchedTensor => {
      const suffix = what === "activations" ? "" : " weight";
      const name = `layers.${layer}.${role}`;
      return {
        what,
        name: `${name}${suffix.replace(" ", ".")}`,
        role: name,
        layer,
        group: `layers.*.${role}${suffix}`,
      };
    }),
  );
  const norm = { what: "weights", name: "norm.weight", role: "norm", group: "norm weight" } as const;
  return [...inLayers, norm];
}

export function createSampleRecord(step: number, turn: number, layers: number): WatchRecord {
  const random = createUniform(step + 1);
  const drawNormal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const spreads = listSampleTensors(layers)
    .filter(({ what }) => step > 0 || what === "weights")
    .map((tensor) => {
      const depth = tensor.layer ?? 0;
      const scale =
        tensor.what === "weights"
          ? 0.02 * (1 + step / 400 + depth / 4)
          : (0.01 * (1 + depth)) / (1 + step / 100);
      const values = Float32Array.from({ length: 600 }, () => drawNormal() * scale + (step / 4000) * scale);
      if (tensor.role.includes("down")) values.fill(0, 0, step / 4);
      return { tensor, spread: countPlainly(values) };
    });
  return { step, turn, isLast: false, spreads };
}

/** Writes the records of a run's first training, up to a step. */
export function writeSampleHistograms(run: string, to: number, { every = 20, layers = 4 } = {}): void {
  const folder = join(run, "steps", "0-train");
  mkdirSync(folder, { recursive: true });
  using writer = new WatchWriter(join(folder, watchFileName), -1);
  for (let step = 0; step <= to; step += every) writer.append(createSampleRecord(step, step / every, layers));
}
