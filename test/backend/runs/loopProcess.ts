import { runAsProcess } from "../../../src/backend/runs/runAsProcess";
import { loopProgram } from "./loopProgram";

void runAsProcess(loopProgram);
