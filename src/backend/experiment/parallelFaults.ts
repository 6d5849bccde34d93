/** Rules between `parallel`, the device and the batch. */
import { countProcesses, type ParallelOptions } from "../../schema/parallel";
import type { CrossFault } from "./crossFault";
import type { Resolved } from "./experiment";

export function findParallelFaults({ parallel, device, actions }: Resolved): CrossFault[] {
  if (parallel === undefined) return [];
  const count = countProcesses(parallel);
  const faults = findMachineFaults(parallel);
  if (count === 1) return faults;
  if (device === "torch:mps")
    faults.push({
      subject: "parallel",
      path: ["processes"],
      message:
        "has to be 1 on torch:mps: a Mac has one graphics processor, and its processes cannot share it",
    });
  else if (device.split(":", 1)[0] !== "torch")
    faults.push({
      subject: "parallel",
      path: ["processes"],
      message: `needs a device of PyTorch, since ONNX Runtime trains in one process; device is ${device}${device === "auto" ? ", which may select either" : ""}. Set device to torch:cuda or torch:cpu`,
    });
  actions.forEach(({ key, options }, subject) => {
    if (key !== "train") return;
    if (options["torch_compile"] === true)
      faults.push({
        subject,
        path: ["torch_compile"],
        message: `has to be false with ${count} processes, which divide each operation by itself`,
      });
    if (options["preference"] !== undefined)
      faults.push({
        subject,
        path: ["preference"],
        message: `is not implemented for ${count} processes, which would divide pairs; remove parallel`,
      });
    const rows = Number(options["per_device_train_batch_size"]);
    if (rows % count === 0) return;
    const below = count * Math.floor(rows / count);
    const nearest = below === 0 ? String(count) : `${below} or ${below + count}`;
    faults.push({
      subject,
      path: ["per_device_train_batch_size"],
      message: `has to be divisible by the ${count} processes of parallel, which share each batch; it is ${rows}. Use ${nearest}, or other processes`,
    });
  });
  return faults;
}

function findMachineFaults({ processes, nodes, rendezvous, sharding }: ParallelOptions): CrossFault[] {
  const toFault = (key: string, message: string): CrossFault => ({
    subject: "parallel",
    path: [key],
    message,
  });
  const faults: CrossFault[] = [];
  if (sharding !== "none" && processes * nodes === 1)
    faults.push(
      toFault("sharding", `${sharding} divides state among processes, and there is only one; set processes`),
    );
  if (nodes > 1 && rendezvous === undefined)
    faults.push(
      toFault(
        "nodes",
        "requires rendezvous, the address of the first machine and a free port, such as host-a:29500",
      ),
    );
  if (nodes === 1 && rendezvous !== undefined)
    faults.push(toFault("rendezvous", "has no effect on one machine; set nodes, or remove it"));
  return faults;
}
