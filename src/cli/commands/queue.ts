/** Shows which runs have a device and which wait for it, and changes their order. */
import { DeviceQueue, type QueueEntry } from "../../backend/runs/process/deviceQueue";
import { WorkbenchError } from "../../protocol/errors";
import { defineCommand, type Outcome } from "../command";
import { formatTable } from "../table";
import { toPlainLine, type Terminal } from "../terminal";

interface Options {
  readonly first?: boolean;
  readonly last?: boolean;
}

interface DeviceQueueEntry extends QueueEntry {
  readonly device: string;
  readonly position: number;
}

async function readQueueEntries(queues: readonly DeviceQueue[]): Promise<readonly DeviceQueueEntry[]> {
  const lists = await Promise.all(
    queues.map(async (queue) =>
      (await queue.entries()).map((entry, position) => ({ ...entry, device: queue.device, position })),
    ),
  );
  return lists.flat();
}

/** The queue contains runs of all workspaces, so a run is named by its id or the beginning of it. */
function findQueueEntry(text: string, lines: readonly DeviceQueueEntry[]): DeviceQueueEntry {
  const matches = lines.filter(({ id }) => id === text || id.startsWith(text));
  const exact = matches.find(({ id }) => id === text) ?? (matches.length === 1 ? matches[0] : undefined);
  if (exact !== undefined) return exact;
  const allowed = (matches.length > 0 ? matches : lines).map(({ id }) => id);
  const problem = matches.length > 1 ? "matches several of" : "is not among";
  throw new WorkbenchError(
    "invalid-input",
    `${text} ${problem} the queued runs: ${allowed.join(", ") || "none"}.`,
    { allowed },
  );
}

async function createOutcome(queues: readonly DeviceQueue[], terminal: Terminal): Promise<Outcome> {
  const lines = await readQueueEntries(queues);
  const document = lines.map(({ device, position, id, folder, since, running }) => {
    return { device, position, id, folder, since, running };
  });
  if (lines.length === 0) return { document, text: "No run is using a device or waiting for one." };
  const rows = lines.map(({ device, position, id, running, since }) => [
    toPlainLine(device),
    running ? terminal.colors.cyan("running") : `waiting behind ${position}`,
    toPlainLine(id),
    since.slice(0, 16).replace("T", " "),
  ]);
  return { document, text: formatTable(["device", "state", "run", "since"], rows, terminal) };
}

export default defineCommand<[action: string | undefined, run: string | undefined], Options>({
  summary: "show the queue of each device, or move a run in it: queue move RUN --first",
  arguments: [
    ["[action]", "`move`, or nothing to show the queues"],
    ["[run]", "id of a queued run, or its beginning"],
  ],
  options: [
    ["--first", "move it to the front"],
    ["--last", "move it to the end"],
  ],
  async run({ args: [action, run], options, terminal }) {
    const queues = DeviceQueue.all();
    if (action === undefined) return createOutcome(queues, terminal);
    if (action !== "move" || run === undefined || options.first === options.last) {
      throw new WorkbenchError(
        "invalid-input",
        "Write `lathe queue`, or `lathe queue move RUN` with --first or --last.",
      );
    }
    const { id, device } = findQueueEntry(run, await readQueueEntries(queues));
    const queue = queues.find((each) => each.device === device);
    await queue?.move(id, options.first === true ? "first" : "last");
    return createOutcome(queues, terminal);
  },
});
