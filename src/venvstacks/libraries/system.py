"""Which libraries a target's system provides.

Linux: what the manylinux policies (PEP 600, with the list of PEP 599 and later additions of auditwheel) and the
musllinux policies (PEP 656) let wheels take from the system. macOS: what is in ``/usr/lib`` and ``/System``.
Windows: DLLs that come with every Windows 10 and 11.
"""

import re
from collections.abc import Callable

from venvstacks.platforms.compatibility import Compatibility

_MANYLINUX = frozenset(
    """
    libGL.so.1 libICE.so.6 libSM.so.6 libX11.so.6 libXext.so.6 libXrender.so.1 libanl.so.1 libatomic.so.1
    libc.so.6 libdl.so.2 libexpat.so.1 libgcc_s.so.1 libglib-2.0.so.0 libgobject-2.0.so.0 libgthread-2.0.so.0
    libm.so.6 libnsl.so.1 libpthread.so.0 libresolv.so.2 librt.so.1 libstdc++.so.6 libutil.so.1 libz.so.1
    """.split()
)
_SINCE_2_24 = frozenset({"libmvec.so.1"})
_MUSLLINUX = frozenset({"libc.so", "libz.so.1"})
_LOADERS = {"x86_64": "ld-linux-x86-64.so.2", "aarch64": "ld-linux-aarch64.so.1"}

_MACOS = re.compile(r"/(usr/lib|System)/.*", re.DOTALL)

_WINDOWS_SETS = re.compile(r"(api|ext)-ms-[a-z0-9-]+\.dll")
_WINDOWS = frozenset(
    f"{name}.dll"
    for name in """
    activeds advapi32 authz avicap32 avifil32 avrt bcrypt bcryptprimitives bluetoothapis bthprops cabinet
    cfgmgr32 combase comctl32 comdlg32 credui crypt32 cryptbase cryptnet cryptsp cryptui d2d1 d3d10 d3d10_1
    d3d10core d3d11 d3d12 d3d9 d3dcompiler_47 davclnt dbgeng dbghelp dcomp ddraw dhcpcsvc dhcpcsvc6 dinput8
    dnsapi dsound dsrole dwmapi dwrite dxcore dxgi dxva2 esent evr fltlib fwpuclnt gdi32 gdi32full gdiplus
    glu32 hid hlink httpapi icu icuin icuuc imagehlp imm32 iphlpapi kernel32 kernelbase ksuser ktmw32 mf
    mfcore mfplat mfplay mfreadwrite mpr mprapi msacm32 mscms mscoree msctf msdmo msftedit mshtml msi msimg32
    mssip32 msvcrt msvfw32 mswsock mtxdm ncrypt ndfapi netapi32 netutils newdev normaliz ntdll ntdsapi
    ntlanman odbc32 odbccp32 ole32 oleacc oleaut32 oledlg opengl32 pdh powrprof profapi propsys psapi quartz
    rasapi32 resutils rpcrt4 rstrtmgr rtutils samcli samlib schannel secur32 security sensapi setupapi sfc
    shcore shdocvw shell32 shlwapi slc snmpapi srvcli sspicli strmiids t2embed tapi32 tbs tdh traffic ucrtbase
    uiautomationcore urlmon user32 userenv usp10 uxtheme version virtdisk vssapi wdsapi webauthn webservices
    websocket wer wevtapi windowscodecs winhttp wininet winmm winscard winspool winsta wintrust winusb wkscli
    wlanapi wldap32 wmvcore wofutil ws2_32 wscapi wsock32 wtsapi32 xaudio2_9 xinput1_4 xinput9_1_0 xmllite
    xolehlp xpsprint
    """.split()
) | {"winspool.drv"}

REDISTRIBUTABLE = re.compile(r"(concrt|msvcp|vccorlib|vcamp|vcomp|vcruntime)\d+[a-z0-9_]*\.dll")
"""Microsoft's C++ runtime, in lower case: no part of Windows. Many packages bring it, and one copy is as good as
another."""


def system_libraries(compatibility: Compatibility) -> Callable[[str], bool]:
    """Return a test for names of libraries, as files need them."""
    target = compatibility.target
    if target.is_windows:
        return lambda name: name in _WINDOWS or _WINDOWS_SETS.fullmatch(name) is not None
    if target.os == "macosx":
        return lambda name: _MACOS.fullmatch(name) is not None
    if compatibility.libc == "musl":
        musl = _MUSLLINUX | {f"libc.musl-{target.arch}.so.1", f"ld-musl-{target.arch}.so.1"}
        return musl.__contains__
    newer = _SINCE_2_24 if compatibility.libc_version >= (2, 24) else frozenset()
    glibc = _MANYLINUX | newer | {_LOADERS[target.arch]}
    return glibc.__contains__
