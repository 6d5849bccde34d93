/** What graphics cards do during a run, from the metrics `gpu/<card>/<what>` that it records. */
import { formatBytes } from "./quantities";
import type { RunSummary } from "./service/runs";

export interface CardLoad {
  /** The card's number on the machine, from 0. */
  readonly card: number;
  /** Its utilization, memory and power as far as the driver reports them: `87 %, 45.2 GB, 610 W`. */
  readonly text: string;
}

/** Devices that use no card, whatever other programs do on it. */
const processors: readonly string[] = ["cpu", "torch:cpu"];
const maxCards = 8;

/** The latest reading of each card; none unless the run is active on a graphics card. */
export function listCardLoads({ state, device, metrics }: RunSummary): readonly CardLoad[] {
  if (state !== "running" || device === undefined || processors.includes(device.name)) return [];
  const cards = new Set(
    Object.keys(metrics).flatMap((name) => /^gpu\/(\d+)\//.exec(name)?.slice(1, 2).map(Number) ?? []),
  );
  return [...cards]
    .sort((a, b) => a - b)
    .slice(0, maxCards)
    .flatMap((card) => {
      const read = (what: string) => metrics[`gpu/${card}/${what}`]?.last;
      const [utilization, memory, power] = [read("utilization"), read("memory_gb"), read("power")];
      const parts = [
        ...(utilization === undefined ? [] : [`${Math.round(utilization)} %`]),
        ...(memory === undefined ? [] : [formatBytes(memory * 1e9)]),
        ...(power === undefined ? [] : [`${Math.round(power)} W`]),
      ];
      return parts.length === 0 ? [] : [{ card, text: parts.join(", ") }];
    });
}
