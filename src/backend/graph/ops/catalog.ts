/** Every operation, by file and by name. Written by `npm run generate`. */
import * as activation from "./activation";
import * as elementwise from "./elementwise";
import * as gate from "./gate";
import * as indexing from "./indexing";
import * as loss from "./loss";
import * as matmul from "./matmul";
import * as movement from "./movement";
import * as normalization from "./normalization";
import * as packedProduct from "./packedProduct";
import * as reduction from "./reduction";
import * as rounding from "./rounding";

export const ops = {
  activation,
  elementwise,
  gate,
  indexing,
  loss,
  matmul,
  movement,
  normalization,
  packedProduct,
  reduction,
  rounding,
} as const;
