/** PyTorch for tests: the interpreter that LATHE_PYTHON names. */
import { findTorch } from "../../src/backend/engine/torch/torchDevices";

/** The interpreter of the tests. */
export const testPython: string | undefined = process.env.LATHE_PYTHON;

/** Why tests on PyTorch cannot run here, for `skip`; undefined if they can. */
export const torchSkipReason: string | undefined = await findSkipReason();

async function findSkipReason(): Promise<string | undefined> {
  if (testPython === undefined) return "LATHE_PYTHON names no Python interpreter with PyTorch here";
  return findTorch().then(
    () => undefined,
    (thrown: unknown) => (thrown as Error).message,
  );
}
