/** The last value that was computed, kept while nothing that it depends on changes. */
export class Memo<T> {
  private last: { readonly inputs: readonly unknown[]; readonly value: T } | undefined;

  /** Inputs are compared by identity, in their order. */
  get(inputs: readonly unknown[], compute: () => T): T {
    if (this.last === undefined || inputs.some((input, i) => input !== this.last!.inputs[i]))
      this.last = { inputs, value: compute() };
    return this.last.value;
  }
}
