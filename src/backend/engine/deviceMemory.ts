/**
 * Outputs in the memory of a WebGPU device: state stays there from run to run, everything else comes to the host.
 * The Node binding can neither fill nor read a buffer of the device by itself (reading ends the process), so two
 * sessions of a single Identity do that.
 */
import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { modelProto } from "../graph/onnxSchema";
import { onnxDtype } from "../graph/onnx";
import type { ConstantData, DType } from "../graph/op";
import type { OutputMemory } from "./program";
import type { Runtime } from "./runtime";
import { free } from "./tensors";

export class DeviceMemory implements OutputMemory {
  async execute(
    session: InferenceSession,
    feeds: Readonly<Record<string, OrtTensor>>,
  ): Promise<Readonly<Record<string, OrtTensor>>> {
    return session.run(feeds);
  }

  recycle(_output: string, held: OrtTensor): void {
    free(held);
  }

  dispose(): void {
    // Buffers return to the runtime's pool one by one, as their tensors are consumed or disposed.
  }
}

/** Also the anchor of the device: freeing a buffer after the last session is gone would end the process. */
export class DeviceTransfer {
  private constructor(
    private readonly up: InferenceSession,
    private readonly down: InferenceSession,
  ) {}

  static async open(runtime: Runtime, options: InferenceSession.SessionOptions): Promise<DeviceTransfer> {
    const model = identityModel("float32");
    const open = (preferredOutputLocation: "gpu-buffer" | "cpu") =>
      runtime.InferenceSession.create(model, { ...options, preferredOutputLocation });
    return new DeviceTransfer(await open("gpu-buffer"), await open("cpu"));
  }

  async toDevice(held: OrtTensor): Promise<OrtTensor> {
    return (await this.up.run({ x: held })).y!;
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
