/** Every format of a run's history by its file's name. Written by `npm run generate`. */
import type { HistoryExporter } from "./historyExporter";
import csv from "./csv";
import tensorboard from "./tensorboard";

export const historyExporters: Readonly<Record<string, HistoryExporter>> = { csv, tensorboard };
