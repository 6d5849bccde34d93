/** The color and mark of each run as all pages of the workspace show it: asked of the host once, and kept here. */
import type { Host } from "../../src/protocol/page";

export class RunSlots {
  private readonly slots = new Map<string, number>();
  private readonly requested = new Set<string>();

  constructor(
    private readonly host: Pick<Host, "request">,
    /** Some are known that were not. */
    private readonly onChange: () => void,
    private readonly attempt: (work: () => Promise<unknown>) => void,
  ) {}

  /** Undefined until the host has answered. */
  get(run: string): number | undefined {
    return this.slots.get(run);
  }

  request(runs: readonly string[]): void {
    const missing = runs.filter((run) => !this.requested.has(run));
    if (missing.length === 0) return;
    for (const run of missing) this.requested.add(run);
    this.attempt(async () => {
      const { slots } = await this.host.request("page.slots", { runs: missing });
      for (const [run, slot] of Object.entries(slots)) this.slots.set(run, slot);
      this.onChange();
    });
  }

  /** Of the runs that are known, in their order: where two would look alike, the later one takes the next free slot. */
  distinguish(runs: readonly string[]): Map<string, number> {
    const used = new Set<number>();
    const distinct = new Map<string, number>();
    for (const run of runs) {
      let slot = this.slots.get(run);
      if (slot === undefined) continue;
      while (used.has(slot)) slot++;
      used.add(slot);
      distinct.set(run, slot);
    }
    return distinct;
  }
}
