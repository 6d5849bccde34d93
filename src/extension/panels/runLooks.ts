/**
 * What all pages show alike, kept in the workspace: the color and mark of each run, as a small number, and the run that the
 * others are compared with. Does not import vscode.
 */
import type { SharedLook } from "../../protocol/page";
import type { ViewPanel } from "../../schema/savedViews";
import { compareNewestFirst } from "../../protocol/run";
import type { RunSummary } from "../../protocol/service/runs";
import type { Unsubscribe } from "../../protocol/connection";

/** Eight colors and seven marks: numbers after which both repeat. */
const slotCount = 56;
/** Far more than anybody shows; the oldest are forgotten first. */
const maxKept = 20_000;

export type ChartSettings = Pick<SharedLook, "smoothing" | "palette" | "colors">;

export interface LookMemory {
  get(key: string): unknown;
  update(key: string, value: unknown): PromiseLike<void>;
}

export class RunLooks {
  private readonly slots: Map<string, number>;
  private baseline: string | undefined;
  private views: Readonly<Partial<Record<ViewPanel, string>>>;
  private readonly listeners = new Set<(look: SharedLook) => void>();

  constructor(
    private readonly memory: LookMemory,
    private readonly loadRuns: () => Promise<readonly RunSummary[]>,
    /** What the settings decide. */
    private readonly readSettings: () => ChartSettings = () => ({}),
  ) {
    this.slots = new Map(parseSlots(memory.get("lathe.runSlots")));
    const baseline = memory.get("lathe.baseline");
    this.views = parseViews(memory.get("lathe.views"));
    this.baseline = typeof baseline === "string" ? baseline : undefined;
  }

  get look(): SharedLook {
    const { baseline } = this;
    const { views } = this;
    return {
      ...(baseline === undefined ? {} : { baseline }),
      ...this.readSettings(),
      ...(Object.keys(views).length === 0 ? {} : { views }),
    };
  }

  setBaseline(run: string | undefined): void {
    this.baseline = run;
    void this.memory.update("lathe.baseline", run);
    this.notify();
  }

  /** The baseline or the settings are others. */
  notify(): void {
    for (const listener of this.listeners) listener(this.look);
  }

  /** Of interest only to the panel itself, when it is opened again. */
  keepView(panel: ViewPanel, name: string | undefined): void {
    const { [panel]: _previous, ...others } = this.views;
    this.views = name === undefined ? others : { ...others, [panel]: name };
    void this.memory.update("lathe.views", this.views);
  }

  onChange(listener: (look: SharedLook) => void): Unsubscribe {
    this.listeners.add(listener);
    return { dispose: () => this.listeners.delete(listener) };
  }

  /** The runs of an experiment get theirs together, in the order in which they were created, so that they differ. */
  async getSlots(runs: readonly string[]): Promise<Readonly<Record<string, number>>> {
    const missing = new Set(runs.filter((run) => !this.slots.has(run)));
    if (missing.size > 0) {
      const all = await this.loadRuns();
      const experiments = new Set(
        all.filter(({ folder }) => missing.has(folder)).map(({ experiment }) => experiment),
      );
      const related = all
        .filter(({ folder, experiment }) => experiments.has(experiment) && !this.slots.has(folder))
        .sort((a, b) => compareNewestFirst(b, a));
      this.assign([...related.map(({ folder }) => folder), ...missing]);
    }
    return Object.fromEntries(runs.map((run) => [run, this.slots.get(run) ?? 0]));
  }

  private assign(runs: readonly string[]): void {
    const uses = new Array<number>(slotCount).fill(0);
    for (const slot of this.slots.values()) uses[slot]!++;
    for (const run of runs) {
      if (this.slots.has(run)) continue;
      const slot = uses.indexOf(Math.min(...uses));
      uses[slot]!++;
      this.slots.set(run, slot);
    }
    for (const run of this.slots.keys()) {
      if (this.slots.size <= maxKept) break;
      this.slots.delete(run);
    }
    void this.memory.update("lathe.runSlots", [...this.slots]);
  }
}

function parseViews(value: unknown): Partial<Record<ViewPanel, string>> {
  const { runs, charts } = (value ?? {}) as Partial<Record<ViewPanel, unknown>>;
  return {
    ...(typeof runs === "string" ? { runs } : {}),
    ...(typeof charts === "string" ? { charts } : {}),
  };
}

function parseSlots(value: unknown): [run: string, slot: number][] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((entry: unknown) => {
    const [run, slot] = Array.isArray(entry) ? (entry as unknown[]) : [];
    const isSlot = Number.isInteger(slot) && (slot as number) >= 0 && (slot as number) < slotCount;
    return typeof run === "string" && isSlot ? [[run, slot as number] as [string, number]] : [];
  });
}
