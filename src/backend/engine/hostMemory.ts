/** Outputs in host memory. All are preallocated, and the runtime writes directly into them. */
import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import type { TensorType } from "../graph/op";
import type { OutputMemory } from "./program";
import type { Runtime } from "./runtime";
import { createHostTensor } from "./tensors";

export class HostMemory implements OutputMemory {
  /** Memory that the last run consumed and the next one writes into, by output name. */
  readonly #spare = new Map<string, OrtTensor>();

  constructor(
    private readonly session: InferenceSession,
    private readonly runtime: Runtime,
    private readonly outputs: Readonly<Record<string, TensorType>>,
    /** Outputs whose old value may be overwritten in place. */
    private readonly inPlace: ReadonlySet<string>,
  ) {}

  async execute(
    feeds: Readonly<Record<string, OrtTensor>>,
    state: Readonly<Record<string, OrtTensor>>,
  ): Promise<Readonly<Record<string, OrtTensor>>> {
    const fetches = Object.fromEntries(
      Object.entries(this.outputs).map(([name, type]) => [name, this.#target(name, type, state[name])]),
    );
    await this.session.run(feeds, fetches);
    return fetches;
  }

  #target(name: string, type: TensorType, old: OrtTensor | undefined): OrtTensor {
    if (old !== undefined && this.inPlace.has(name)) return old;
    const spare = this.#spare.get(name);
    // Removed, so that memory is not reused after a run that failed while writing to it.
    this.#spare.delete(name);
    return spare ?? createHostTensor(this.runtime, type);
  }

  recycle(output: string, tensor: OrtTensor): void {
    if (!this.inPlace.has(output)) this.#spare.set(output, tensor);
  }

  async release(): Promise<void> {
    this.#spare.clear();
    await this.session.release();
  }
}
