/** Claims a run folder for this process, or reports which process owns it. */
import { ControlServer, type Answerer } from "../control/controlServer";
import { WorkbenchError } from "../../../protocol/errors";
import { removeDrafts } from "../folder/atomicFile";
import type { RunRecord } from "../../../protocol/run";
import { tokenFile } from "../control/controlProtocol";
import { withFolderLock } from "./folderMutex";
import { checkLiveness, getOwnIdentity } from "./processIdentity";
import { RunFolder } from "../folder/runFolder";

export interface ClaimOptions {
  readonly folder: string;
  readonly resume: boolean;
  /** The process that launched this one owns the run until it is claimed. */
  readonly launcher: number | undefined;
}

export async function refuseIfTaken(record: RunRecord, launcher?: number): Promise<void> {
  if (record.process === undefined || record.process.pid === launcher) return;
  const state = await checkLiveness(record.process);
  if (state === "gone") return;
  const { pid, host } = record.process;
  const advice =
    state === "alive"
      ? "Stop it first, or attach to it."
      : "If that machine is gone for good, remove `process` from its run.json.";
  throw new WorkbenchError("busy", `${record.id} is owned by process ${pid} on ${host}. ${advice}`);
}

export function refuseIfDone(record: RunRecord): void {
  refuseIfPruned(record);
  if (record.state !== "done") return;
  throw new WorkbenchError(
    "invalid-input",
    `${record.id} is done. To train it further, raise its steps with --set train.max_steps=N.`,
  );
}

export function refuseIfPruned({ id, state }: RunRecord): void {
  if (state !== "pruned") return;
  throw new WorkbenchError(
    "invalid-input",
    `${id} was pruned by its search. To train it in full, run it again: lathe run --from ${id}.`,
  );
}

export interface Claim {
  readonly folder: RunFolder;
  readonly server: ControlServer;
}

export async function claimRun(options: ClaimOptions, answer: Answerer): Promise<Claim> {
  const { host, pid, startedAt } = await getOwnIdentity();
  const server = await ControlServer.listen(answer);
  try {
    const folder = await withFolderLock(options.folder, async () => {
      const claimed = RunFolder.open(options.folder);
      await refuseIfTaken(claimed.record, options.launcher);
      refuseIfDone(claimed.record);
      removeDrafts(claimed.path);
      claimed.write(tokenFile, server.token, 0o600);
      claimed.update({
        state: "queued",
        process: { pid, startedAt, host, socket: server.address },
        endedAt: undefined,
        failure: undefined,
      });
      return claimed;
    });
    return { folder, server };
  } catch (thrown) {
    await server[Symbol.asyncDispose]();
    throw thrown;
  }
}
