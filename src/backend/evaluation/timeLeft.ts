/** Estimates how long the rest of a work takes, from the pace since its first report. */
export class TimeLeft {
  #total = 0;
  #startedWith = 0;
  #startedAt = 0;
  #done = 0;

  /**
   * Seconds that are left; undefined as long as nothing has been done since the first report. Another total, or less that is
   * done, begins another work. `now` is in milliseconds.
   */
  estimate(done: number, total: number, now = performance.now()): number | undefined {
    if (total !== this.#total || done < this.#done)
      [this.#total, this.#startedWith, this.#startedAt] = [total, done, now];
    this.#done = done;
    const finished = done - this.#startedWith;
    return finished === 0 ? undefined : ((now - this.#startedAt) / 1000 / finished) * (total - done);
  }
}
