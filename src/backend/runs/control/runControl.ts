/** What others have asked of a run, as its step loop sees it. Requests take effect between steps. */
import { setImmediate } from "node:timers/promises";

/** `stop`: save and return. `save`: write a checkpoint, then go on. */
export type Verdict = "run" | "stop" | "save";

export interface ControlListener {
  paused(): void;
  continued(): void;
}

export class RunControl {
  /** The last step that the run has passed. */
  step = 0;
  private saving = false;
  private pausing = false;
  private stopTold = false;
  private readonly stopping = new AbortController();
  private wake: (() => void) | undefined;

  constructor(
    private readonly listener: ControlListener,
    /** Lets requests that have arrived be answered; the step before has blocked this thread. */
    private readonly settle: () => Promise<void> = async () => setImmediate(),
  ) {}

  /** Aborted once somebody asks to stop: for waiting and reading. A step loop asks `checkpoint`, which lets it save. */
  get signal(): AbortSignal {
    return this.stopping.signal;
  }

  /** The step loop has been told to stop: a normal return now means stopped, not done. */
  get obeyedStop(): boolean {
    return this.stopTold;
  }

  get paused(): boolean {
    return this.pausing;
  }

  stop(): void {
    this.stopping.abort();
    this.wake?.();
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

  /** Called between steps. Returns at once unless the run is paused; a pause ends by itself for a stop or a save. */
  async checkpoint(step: number): Promise<Verdict> {
    this.step = step;
    await this.settle();
    if (this.pausing && !this.signal.aborted && !this.saving) await this.sleep();
    if (this.signal.aborted) {
      this.stopTold = true;
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
