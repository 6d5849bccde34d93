/** The device of tests that run a model: LATHE_TEST_DEVICE, or the CPU with ONNX Runtime. */
import type { DeviceName } from "../../src/schema/device";

export const testDevice = (process.env.LATHE_TEST_DEVICE ?? "cpu") as DeviceName;
