/** Finds a Python that has PyTorch, for comparisons. */
import { resolve } from "node:path";
import { findInterpreter } from "../backend/engine/torch/interpreter";
import { askInterpreter } from "../backend/engine/torch/torchDevices";

/** The Python at `path`, or the one that Lathe uses. Throws, with what to do, if there is none or it has no PyTorch. */
export async function findTorchPython(path: string | undefined): Promise<string> {
  const setting = path !== undefined && /[\\/]/.test(path) ? resolve(path) : path;
  const environment = setting === undefined ? {} : { LATHE_PYTHON_SETTING: setting };
  const interpreter = findInterpreter({ ...process.env, ...environment });
  await askInterpreter(interpreter);
  return interpreter.path;
}
