/** A cache that drops the least recently used values first. */

export interface LruOptions<V> {
  /** The most that all values may take together. A value takes 1 unless `sizeOf` is given. */
  readonly limit: number;
  readonly sizeOf?: (value: V) => number;
  /** Whether a value stays, however long ago it was used. */
  readonly isPinned?: (key: string) => boolean;
}

export class LruCache<V extends object> {
  /** The least recently used first. */
  readonly #values = new Map<string, V>();
  #newest: string | undefined;

  constructor(private readonly options: LruOptions<V>) {}

  has(key: string): boolean {
    return this.#values.has(key);
  }

  get(key: string): V | undefined {
    const value = this.#values.get(key);
    if (value !== undefined) this.#put(key, value);
    return value;
  }

  set(key: string, value: V): V {
    this.#put(key, value);
    this.trim();
    return value;
  }

  getOrCreate(key: string, create: () => V): V {
    return this.get(key) ?? this.set(key, create());
  }

  /** Drops values until the rest is within the limit. Call it when values have grown. The newest value always stays. */
  trim(): void {
    const { limit, sizeOf, isPinned } = this.options;
    let size = this.#values.size;
    if (sizeOf !== undefined) {
      size = 0;
      for (const value of this.#values.values()) size += sizeOf(value);
    }
    for (const [key, value] of this.#values) {
      if (size <= limit) return;
      if (key === this.#newest || isPinned?.(key) === true) continue;
      this.#values.delete(key);
      size -= sizeOf?.(value) ?? 1;
    }
  }

  #put(key: string, value: V): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    this.#newest = key;
  }
}
