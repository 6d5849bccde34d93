/**
 * Lists the devices that work on this machine, and the Python interpreters. Each is probed in a separate process, once: a
 * graphics driver may take seconds or crash.
 */
import * as z from "zod";
import type { Handlers } from "../../protocol/connection";
import type { DeviceRequests } from "../../protocol/service/models";
import { runLatheCommand } from "./latheProcess";
import type { Service } from "./service";

const cardSchema = z.object({ name: z.string(), totalBytes: z.number(), freeBytes: z.number().optional() });

const answerSchema = z.object({
  devices: z.array(
    z.object({
      name: z.string(),
      works: z.boolean(),
      description: z.string(),
      reason: z.string(),
      memoryBytes: z.number().optional(),
      cards: z.array(cardSchema).default([]),
    }),
  ),
  interpreters: z.array(
    z.object({
      path: z.string(),
      source: z.string(),
      isUsed: z.boolean(),
      python: z.string().optional(),
      torch: z.string().optional(),
      reason: z.string(),
    }),
  ),
});

type DeviceList = DeviceRequests["devices.list"]["result"];

export function createDeviceHandlers(service: Service): Handlers<DeviceRequests> {
  let list: Promise<DeviceList> | undefined;
  return {
    "devices.list": async ({ again }) => {
      service.requireTrust("Testing devices");
      if (again === true) list = undefined;
      const request = (list ??= service.adoptPython().then(probeDevices));
      // A failed probe is repeated by the next request.
      request.catch(() => {
        if (list === request) list = undefined;
      });
      return request;
    },
  };
}

/** Several requests may wait for one probe, so none of them can cancel it. */
async function probeDevices(): Promise<DeviceList> {
  const { signal } = new AbortController();
  const { devices, interpreters } = await runLatheCommand("devices", [], answerSchema, signal);
  return {
    devices: devices.map(({ name, works, description, reason, memoryBytes, cards }) => ({
      name,
      works,
      // The reason of a device that works is a remark, such as a software driver in tests.
      description: works && reason !== "" ? `${description} (${reason})` : description,
      ...(works || reason === "" ? {} : { reason }),
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
      ...(cards.length === 0 ? {} : { cards }),
    })),
    interpreters,
  };
}
