/** Estimates the time that is left of work on equal items, from the pace since its first report. */
export class Pace {
  #what: string | undefined;
  #first = { done: 0, at: 0 };
  #done = 0;

  /** More items than `most` at once were done before the work was interrupted, and do not count. */
  constructor(private readonly most = Infinity) {}

  /** Seconds until all items are done, at `now` in milliseconds; undefined until the pace is known. */
  estimate(done: number, total: number, what: string, now = performance.now()): number | undefined {
    if (what !== this.#what || done < this.#done || done > this.#done + this.most)
      this.#first = { done, at: now };
    this.#what = what;
    this.#done = done;
    const counted = done - this.#first.done;
    return counted === 0 ? undefined : ((now - this.#first.at) / 1000 / counted) * (total - done);
  }
}
