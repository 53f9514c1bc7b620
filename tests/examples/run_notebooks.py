"""`python run_notebooks.py FOLDER NOTEBOOK…`: run notebooks in FOLDER, from their first cells to their last.

A process of its own, since a kernel leaves its sockets to the garbage collector. One kernel serves all, so that the
frameworks are imported once; each notebook begins with no names. Exit code 1 where a cell fails, or complains.
"""

import sys

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


def main(folder: str, paths: list[str]) -> int:
    resources = {"metadata": {"path": folder}}
    manager = NotebookClient(nbformat.v4.new_notebook()).create_kernel_manager()
    manager.start_kernel(cwd=folder)
    try:
        for path in paths:
            notebook = nbformat.read(path, 4)
            notebook.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))
            client = NotebookClient(notebook, km=manager, timeout=120, resources=resources)
            try:
                client.execute(cleanup_kc=False)
            except CellExecutionError as error:
                print(f"{path}: {error}")
                return 1
            for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
                if output.get("name") == "stderr":
                    print(f"{path}: {output['text']}")
                    return 1
    finally:
        manager.shutdown_kernel(now=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
