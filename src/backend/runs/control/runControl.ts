/** The requests that other processes sent to a run, for its step loop. They take effect between steps. */
import { setImmediate } from "node:timers/promises";

/** `stop`: save and return. `save`: write a checkpoint, then continue. */
export type Verdict = "run" | "stop" | "save";

export interface ControlListener {
  paused(): void;
  continued(): void;
}

export class RunControl {
  /** The last completed step. */
  step = 0;
  private saving = false;
  private pausing = false;
  private stopDelivered = false;
  private holding = false;
  private readonly stopping = new AbortController();
  private wake: (() => void) | undefined;

  constructor(
    private readonly listener: ControlListener,
    /** Answers requests that arrived while a step blocked this thread. */
    private readonly settle: () => Promise<void> = async () => setImmediate(),
  ) {}

  /**
   * Aborted by a stop request, for code that waits or reads. A step loop calls `checkpoint`, which lets it save
   * first.
   */
  get signal(): AbortSignal {
    return this.stopping.signal;
  }

  /** Whether the step loop has received the stop: a normal return then means stopped, not done. */
  get obeyedStop(): boolean {
    return this.stopDelivered;
  }

  /** Whether the loop ended because of `hold`, and nobody had asked for a stop. */
  get obeyedHold(): boolean {
    return this.stopDelivered && this.holding;
  }

  get paused(): boolean {
    return this.pausing;
  }

  stop(): void {
    this.stopping.abort();
    this.wake?.();
  }

  /** Ends the run at the next checkpoint as a stop does, until its search decides whether it continues. */
  hold(): void {
    if (this.signal.aborted) return;
    this.holding = true;
    this.stop();
  }

  pause(): void {
    this.pausing = true;
  }

  continue(): void {
    this.pausing = false;
    this.wake?.();
  }

  save(): void {
    this.saving = true;
    this.wake?.();
  }

  /** Called between steps. Returns at once unless the run is paused; a stop or a save ends a pause. */
  async checkpoint(step: number): Promise<Verdict> {
    this.step = step;
    await this.settle();
    if (this.pausing && !this.signal.aborted && !this.saving) await this.sleep();
    if (this.signal.aborted) {
      this.stopDelivered = true;
      return "stop";
    }
    if (!this.saving) return "run";
    this.saving = false;
    return "save";
  }

  private async sleep(): Promise<void> {
    this.listener.paused();
    while (this.pausing && !this.signal.aborted && !this.saving) {
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
    this.wake = undefined;
    this.listener.continued();
  }
}
