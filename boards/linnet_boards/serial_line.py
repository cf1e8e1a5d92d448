"""A board on one of this machine's serial ports."""

from __future__ import annotations

from linnet.errors import LinnetError

BAUD = 115200

WRITE_SECONDS = 10.0
"""A line that takes nothing for so long is broken."""


class SerialLine:
    """A `conversation.Transport`."""

    def __init__(self, port: str) -> None:
        """port: /dev/ttyACM0[,BAUD]. Raises LinnetError where it cannot be opened or pyserial is missing."""
        name, _, baud = port.partition(",")
        self.name = name
        try:
            import serial
        except ModuleNotFoundError as error:
            raise LinnetError("serial ports need the Python package pyserial: pip install 'linnet[serial]'") from error
        try:
            self._port = serial.serial_for_url(name, int(baud or BAUD), timeout=0, write_timeout=WRITE_SECONDS)
        except (serial.SerialException, ValueError, OSError) as error:
            raise LinnetError(f"{name}: the port cannot be opened: {error}") from error
        self._errors = (serial.SerialException, OSError)

    def write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except self._errors as error:
            raise LinnetError(f"{self.name}: the port has gone: {error}") from error

    def read(self, seconds: float) -> bytes:
        try:
            self._port.timeout = max(seconds, 0)
            first = bytes(self._port.read(1))
            return first + bytes(self._port.read(self._port.in_waiting)) if first else b""
        except self._errors as error:
            raise LinnetError(f"{self.name}: the port has gone: {error}") from error

    def close(self) -> None:
        self._port.close()
