/**
 * Lists the devices that work on this machine. Each is probed in a separate process, once: a graphics driver may take
 * seconds or crash.
 */
import { totalmem } from "node:os";
import * as z from "zod";
import type { Handlers } from "../../protocol/connection";
import type { DeviceEntry, DeviceRequests } from "../../protocol/service/models";
import { runLatheCommand } from "./latheProcess";
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

export function createDeviceHandlers(_service: Service): Handlers<DeviceRequests> {
  let devices: Promise<readonly DeviceEntry[]> | undefined;
  return {
    "devices.list": async ({ again }) => {
      if (again === true) devices = undefined;
      const request = (devices ??= probeDevices());
      // A failed probe is repeated by the next request.
      request.catch(() => {
        if (devices === request) devices = undefined;
      });
      return { devices: await request };
    },
  };
}

/** Several requests may wait for one probe, so none of them can cancel it. */
async function probeDevices(): Promise<readonly DeviceEntry[]> {
  const { devices } = await runLatheCommand("devices", [], answerSchema, new AbortController().signal);
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
      // The reason of a device that works is a remark, such as a software driver in tests.
      description: works && reason !== "" ? `${description} (${reason})` : description,
      ...(works || reason === "" ? {} : { reason }),
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
    }),
  );
}
