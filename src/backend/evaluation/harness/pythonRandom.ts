/**
 * `random.Random(seed)` of Python: the Mersenne Twister MT19937 of Matsumoto and Nishimura (1998), with Python's seeding and
 * its algorithms of `sample` and `choices`.
 */

const size = 624;
const middle = 397;

export class PythonRandom {
  readonly #state = new Uint32Array(size);
  #at = size;

  /** `seed` is an integer from 0 to 2³² - 1. */
  constructor(seed: number) {
    const state = this.#state;
    const initialize = (word: number) => {
      state[0] = word;
      for (let i = 1; i < size; i++)
        state[i] = Math.imul(1812433253, state[i - 1]! ^ (state[i - 1]! >>> 30)) + i;
    };
    // `init_by_array` with a single word as the key.
    initialize(19650218);
    let i = 1;
    const step = (multiplier: number) => Math.imul(state[i - 1]! ^ (state[i - 1]! >>> 30), multiplier);
    const advance = () => {
      i++;
      if (i === size) [state[0], i] = [state[size - 1]!, 1];
    };
    for (let k = size; k > 0; k--) {
      state[i] = (state[i]! ^ step(1664525)) + seed;
      advance();
    }
    for (let k = size - 1; k > 0; k--) {
      state[i] = (state[i]! ^ step(1566083941)) - i;
      advance();
    }
    state[0] = 0x80000000;
  }

  /** A whole number from 0 to 2³² - 1. */
  next(): number {
    if (this.#at === size) this.#twist();
    let word = this.#state[this.#at++]!;
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    return (word ^ (word >>> 18)) >>> 0;
  }

  /** From 0 to 1, with 53 random bits. */
  uniform(): number {
    const high = this.next() >>> 5;
    const low = this.next() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  /** A whole number below `limit`, which is at least 1 and below 2³². */
  below(limit: number): number {
    const unused = Math.clz32(limit);
    for (;;) {
      const drawn = this.next() >>> unused;
      if (drawn < limit) return drawn;
    }
  }

  /** `count` distinct items in random order. */
  sample<T>(items: readonly T[], count: number): T[] {
    const total = items.length;
    // Python keeps a list of the rest where it is smaller than a set of the drawn places.
    const setSize = 21 + (count > 5 ? 4 ** Math.ceil(Math.log(count * 3) / Math.log(4)) : 0);
    if (total <= setSize) {
      const pool = [...items];
      return Array.from({ length: count }, (_, i) => {
        const place = this.below(total - i);
        const drawn = pool[place]!;
        pool[place] = pool[total - i - 1]!;
        return drawn;
      });
    }
    const places = new Set<number>();
    return Array.from({ length: count }, () => {
      let place = this.below(total);
      while (places.has(place)) place = this.below(total);
      places.add(place);
      return items[place]!;
    });
  }

  #twist(): void {
    const state = this.#state;
    for (let i = 0; i < size; i++) {
      const word = (state[i]! & 0x80000000) | (state[(i + 1) % size]! & 0x7fffffff);
      state[i] = state[(i + middle) % size]! ^ (word >>> 1) ^ (word & 1 ? 0x9908b0df : 0);
    }
    this.#at = 0;
  }
}
