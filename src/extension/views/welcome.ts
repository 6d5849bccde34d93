/** When an empty tree says what; the three exclude each other. */

export const inNoFolder = "workspaceFolderCount == 0";
export const inUntrusted = "workspaceFolderCount != 0 && !isWorkspaceTrusted";
export const inTrusted = "workspaceFolderCount != 0 && isWorkspaceTrusted";
