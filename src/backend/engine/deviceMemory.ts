/**
 * Outputs in the memory of a WebGPU device: state stays there from run to run, everything else comes to the host.
 * The Node binding can neither fill nor read a buffer of the device by itself (reading ends the process), so two
 * sessions of a single Identity do that.
 */
import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { modelProto } from "../graph/onnxSchema";
import { onnxDtype, type ConstantData, type DType } from "../graph/op";
import type { OutputMemory } from "./program";
import type { Runtime } from "./runtime";

export class DeviceMemory implements OutputMemory {
  /** Buffers of this session that are still held somewhere. It goes only after them: freeing one later crashes. */
  readonly #lent = new Set<OrtTensor>();
  #isClosing = false;

  constructor(private readonly session: InferenceSession) {}

  async execute(feeds: Readonly<Record<string, OrtTensor>>): Promise<Readonly<Record<string, OrtTensor>>> {
    const results = await this.session.run(feeds);
    for (const held of Object.values(results))
      if (held.location === "gpu-buffer") {
        this.#lent.add(held);
        lenders.set(held, this);
      }
    return results;
  }

  takeBack(held: OrtTensor): void {
    held.dispose();
    this.#lent.delete(held);
    if (this.#isClosing && this.#lent.size === 0) void this.session.release();
  }

  recycle(_output: string, held: OrtTensor): void {
    free(held);
  }

  async release(): Promise<void> {
    this.#isClosing = true;
    if (this.#lent.size === 0) await this.session.release();
  }
}

const lenders = new WeakMap<OrtTensor, DeviceMemory>();

/** Host memory is left to the garbage collector; device memory is not known to it. */
export function free(held: OrtTensor): void {
  if (held.location === "gpu-buffer") lenders.get(held)!.takeBack(held);
}

/** Also the anchor of the device: freeing a buffer after the last session is gone would end the process. */
export class DeviceTransfer {
  private constructor(
    private readonly up: DeviceMemory,
    private readonly down: InferenceSession,
  ) {}

  static async open(runtime: Runtime, options: InferenceSession.SessionOptions): Promise<DeviceTransfer> {
    const model = identityModel("float32");
    const open = (preferredOutputLocation: "gpu-buffer" | "cpu") =>
      runtime.InferenceSession.create(model, { ...options, preferredOutputLocation });
    return new DeviceTransfer(new DeviceMemory(await open("gpu-buffer")), await open("cpu"));
  }

  async toDevice(held: OrtTensor): Promise<OrtTensor> {
    return (await this.up.execute({ x: held })).y!;
  }

  async toHost(held: OrtTensor): Promise<ConstantData> {
    return (await this.down.run({ x: held })).y!.data as ConstantData;
  }

  async release(): Promise<void> {
    await this.up.release();
    await this.down.release();
  }
}

/** y = x for any shape: the graph encoder knows static shapes only, and one session should serve all. */
function identityModel(dtype: DType): Uint8Array {
  const type = { tensorType: { elemType: onnxDtype[dtype] } };
  return modelProto
    .encode({
      irVersion: 10,
      opsetImport: [{ domain: "", version: 20 }],
      graph: {
        name: "identity",
        node: [{ name: "copy", opType: "Identity", input: ["x"], output: ["y"] }],
        input: [{ name: "x", type }],
        output: [{ name: "y", type }],
      },
    })
    .finish();
}
