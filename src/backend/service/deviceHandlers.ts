/** Which devices work here. They are tried in other processes, and once: a graphics driver may take seconds, or crash. */
import { totalmem } from "node:os";
import * as z from "zod";
import type { Handlers } from "../../protocol/connection";
import type { DeviceEntry, DeviceRequests } from "../../protocol/service/models";
import { askLathe } from "./latheProcess";
import type { Service } from "./service";

const answerSchema = z.object({
  devices: z.array(
    z.object({
      name: z.string(),
      works: z.boolean(),
      description: z.string(),
      reason: z.string(),
      memoryBytes: z.number().optional(),
    }),
  ),
});

export function deviceHandlers(_service: Service): Handlers<DeviceRequests> {
  let known: Promise<readonly DeviceEntry[]> | undefined;
  return {
    "devices.list": async ({ again }) => {
      if (again === true) known = undefined;
      const asked = (known ??= listed());
      // What failed is tried again by whoever asks next.
      asked.catch(() => {
        if (known === asked) known = undefined;
      });
      return { devices: await asked };
    },
  };
}

/** Several windows' parts may wait for one answer, so that none of them can cancel it. */
async function listed(): Promise<readonly DeviceEntry[]> {
  const { devices } = await askLathe("devices", [], answerSchema, new AbortController().signal);
  return devices.map(
    ({
      name,
      works,
      description,
      reason,
      memoryBytes = name === "cpu" ? totalmem() : undefined,
    }): DeviceEntry => ({
      name,
      works,
      // A device that works has a remark at most: a driver in software, for tests.
      description: works && reason !== "" ? `${description} (${reason})` : description,
      ...(works || reason === "" ? {} : { reason }),
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
    }),
  );
}
