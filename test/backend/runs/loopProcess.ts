import { runAsProcess } from "../../../src/backend/runs/process/runAsProcess";
import { loopProgram } from "./loopProgram";

void runAsProcess(loopProgram);
