/**
 * Outputs in the memory of a WebGPU device. State stays on the device between runs; other outputs are copied to the host.
 * The Node binding can neither write nor read a device buffer (reading ends the process), so two sessions of a single
 * Identity node do both.
 */
import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { modelProto } from "../graph/onnxSchema";
import { onnxDtype, type ConstantData, type DType } from "../graph/op";
import type { OutputMemory } from "./program";
import type { Runtime } from "./runtime";

export class DeviceMemory implements OutputMemory {
  /** Buffers of this session that are still in use. They are freed before the session, because freeing them later crashes. */
  readonly #lent = new Set<OrtTensor>();
  #isClosing = false;

  constructor(private readonly session: InferenceSession) {}

  async execute(feeds: Readonly<Record<string, OrtTensor>>): Promise<Readonly<Record<string, OrtTensor>>> {
    const results = await this.session.run(feeds);
    for (const tensor of Object.values(results))
      if (tensor.location === "gpu-buffer") {
        this.#lent.add(tensor);
        lenders.set(tensor, this);
      }
    return results;
  }

  takeBack(tensor: OrtTensor): void {
    tensor.dispose();
    this.#lent.delete(tensor);
    if (this.#isClosing && this.#lent.size === 0) void this.session.release();
  }

  recycle(_output: string, tensor: OrtTensor): void {
    free(tensor);
  }

  async release(): Promise<void> {
    this.#isClosing = true;
    if (this.#lent.size === 0) await this.session.release();
  }
}

const lenders = new WeakMap<OrtTensor, DeviceMemory>();

/** Frees device memory, which the garbage collector does not track; host memory is garbage-collected. */
export function free(tensor: OrtTensor): void {
  if (tensor.location === "gpu-buffer") lenders.get(tensor)!.takeBack(tensor);
}

/** Copies tensors to and from the device. Its sessions keep the device open: freeing a buffer after the last session ends the process. */
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

  async toDevice(tensor: OrtTensor): Promise<OrtTensor> {
    return (await this.up.execute({ x: tensor })).y!;
  }

  async toHost(tensor: OrtTensor): Promise<ConstantData> {
    return (await this.down.run({ x: tensor })).y!.data as ConstantData;
  }

  async release(): Promise<void> {
    await this.up.release();
    await this.down.release();
  }
}

/** y = x for any shape. Written by hand, because the graph encoder supports only static shapes and one session serves all. */
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
