/** Reports the failure of a command: lines for people, a document for programs, an exit status for scripts. */
import { InvalidInput, exitStatus, type WorkbenchError } from "../protocol/errors";
import type { ExitStatus } from "./command";
import { jsonText, plain, plainLine, type Terminal } from "./terminal";

function documentOf({ code, message, details }: WorkbenchError): Record<string, unknown> {
  return { code, message, details };
}

export function reportFailure(error: WorkbenchError, terminal: Terminal): ExitStatus {
  const { red } = terminal.noticeColors;
  if (error instanceof InvalidInput) {
    // Each fault begins with file:line:column, which editors make a link of.
    for (const fault of error.faults) terminal.say(plainLine(fault.message));
  } else terminal.say(`${red("error:")} ${plain(error.message)}`);
  const cause = error.cause instanceof Error ? error.cause : error;
  if (error.code === "internal" && cause.stack !== undefined) terminal.say(plain(cause.stack));
  if (terminal.json) {
    const faults = error instanceof InvalidInput ? { faults: error.faults.map(documentOf) } : {};
    terminal.result(jsonText({ error: { ...documentOf(error), ...faults } }));
  }
  return exitStatus(error);
}
