/** Options of the cell `train` that change what is learned, or which weights learn it. */
import { trainExitsSchema } from "./exits";
import { loraSchema } from "./lora";
import { preferenceSchema } from "./preference";
import { teacherSchema } from "./teacher";

export const objectiveOptions = {
  teacher: teacherSchema.optional(),
  lora: loraSchema.optional(),
  exits: trainExitsSchema.optional(),
  preference: preferenceSchema.optional(),
};
