/** Seconds that a run has spent running: excludes pauses and interruptions, and continues when the run resumes. */
export class RunClock {
  private runningSince: number | undefined;

  constructor(private elapsed = 0) {}

  get seconds(): number {
    const now = this.runningSince === undefined ? 0 : (performance.now() - this.runningSince) / 1000;
    return this.elapsed + now;
  }

  start(): void {
    this.runningSince ??= performance.now();
  }

  pause(): void {
    this.elapsed = this.seconds;
    this.runningSince = undefined;
  }

  /** Sets the clock back to the end of a resumed run's history. */
  rewind(seconds: number): void {
    this.elapsed = seconds;
    if (this.runningSince !== undefined) this.runningSince = performance.now();
  }
}
