# Installs @NAME@ @VERSION@. Written by venvstacks.
#
#   powershell -ExecutionPolicy Bypass -File install.ps1 -To DIR [-App NAME,...] [-Channel C | -Release V] [-Store STORE]
#
# It needs Windows PowerShell 5.1 or later, and tar.exe, which Windows 10 and later have. It fetches the part of the
# release that installs, checks it against the hashes below, and lets it deploy the rest, which is verified by the
# signatures of the store. It can be run again at any time: after it was stopped, or to update. With the store on a
# USB stick, the script is started from there, or -Store names the folder.

param(
    [Parameter(Mandatory = $true)] [string] $To,
    [string[]] $App = @(),
    [string] $Channel = '',
    [string] $Release = '',
    [string] $Store = ''
)

$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
Set-StrictMode -Version 2.0

$Address = @STORE@
$DefaultChannel = @CHANNEL@
$Deployer = @DEPLOYER@
$Root = '@ROOT@'

# For each platform: which layers its part has, the one that installs last.
$Layers = @{
@LAYERS@
}

function Stop-Installing([string] $Message, [string] $Hint = '') {
    [Console]::Error.WriteLine("install.ps1: $Message")
    if ($Hint) { [Console]::Error.WriteLine("hint: $Hint") }
    exit 1
}

function Find-Store {
    if ($Store) { return $Store }
    if ($PSScriptRoot -and (Test-Path -LiteralPath (Join-Path $PSScriptRoot 'blobs')) -and
        (Test-Path -LiteralPath (Join-Path $PSScriptRoot 'metadata'))) {
        return $PSScriptRoot
    }
    if ($Address) { return $Address }
    Stop-Installing 'it is not known where the store is.' 'name its folder or its address with -Store'
}

function Test-Hash([string] $File, [string] $Sha256) {
    if (-not (Test-Path -LiteralPath $File -PathType Leaf)) { return $false }
    return (Get-FileHash -LiteralPath $File -Algorithm SHA256).Hash -eq $Sha256
}

function Get-Blob([string] $From, [string] $Sha256, [string] $File) {
    $Place = 'blobs/sha256/' + $Sha256.Substring(0, 2) + '/' + $Sha256
    $IsWeb = $From -match '^https?://'
    $Reason = 'it is not what was published'
    foreach ($Attempt in 1..5) {
        try {
            if ($IsWeb) {
                Invoke-WebRequest -UseBasicParsing -Uri "$From/$Place" -OutFile $File -TimeoutSec 600
            } else {
                Copy-Item -LiteralPath (Join-Path $From $Place) -Destination $File
            }
            if (Test-Hash $File $Sha256) { return }
        } catch {
            $Reason = $_.Exception.Message
        }
        Remove-Item -LiteralPath $File -Force -ErrorAction SilentlyContinue
        if (-not $IsWeb) { break }
        if ($Attempt -lt 5) { Start-Sleep -Seconds $Attempt }
    }
    Stop-Installing "$From/$Place cannot be fetched: $Reason." `
        'try again; if it stays so, the publisher can find out with `venvstacks store verify`'
}

function Expand-Layer([string] $File, [string] $Name, [string] $Folder) {
    $Problem = ''
    if ($Name.EndsWith('.zip')) {
        try {
            Add-Type -AssemblyName System.IO.Compression.FileSystem
            [IO.Compression.ZipFile]::ExtractToDirectory($File, $Folder)
        } catch {
            $Problem = $_.Exception.Message
        }
    } else {
        & (Join-Path $env:SystemRoot 'System32\tar.exe') -xf $File -C $Folder
        if ($LASTEXITCODE -ne 0) { $Problem = "tar ended with exit code $LASTEXITCODE" }
    }
    if ($Problem) { Stop-Installing "$Name cannot be unpacked into ${Folder}: $Problem." 'is there enough space?' }
}

function Install-Release {
    $From = (Find-Store) -replace '[\\/]+$', ''
    if ($From -match '^[a-z0-9+]{2,}://' -and $From -notmatch '^https?://') {
        Stop-Installing "this script cannot fetch from $From." 'name an address with https:// that serves the store'
    }
    # Windows PowerShell 5.1 offers old versions of TLS alone on some systems
    [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor 3072

    $Machine = $env:PROCESSOR_ARCHITEW6432
    if (-not $Machine) { $Machine = $env:PROCESSOR_ARCHITECTURE }
    $Platform = 'win_' + $Machine.ToLowerInvariant()
    if ($Platform -eq 'win_arm64' -and -not $Layers.ContainsKey($Platform)) { $Platform = 'win_amd64' }
    if (-not $Layers.ContainsKey($Platform)) {
        Stop-Installing "this release has nothing for $Platform." "it is for$(($Layers.Keys | Sort-Object | ForEach-Object { ' ' + $_ }) -join ',')"
    }

    $Target = [IO.Path]::GetFullPath([IO.Path]::Combine((Get-Location -PSProvider FileSystem).ProviderPath, $To))
    $Downloads = Join-Path $Target 'downloads'
    $Work = Join-Path $Target ('.install-' + $PID)
    New-Item -ItemType Directory -Force -Path $Downloads, $Work | Out-Null
    foreach ($Folder in Get-ChildItem -LiteralPath $Target -Directory -Force -Filter '.install-*') {
        $Number = $Folder.Name.Substring('.install-'.Length)
        if (-not (Get-Process -Id $Number -ErrorAction SilentlyContinue)) {
            Remove-Item -LiteralPath $Folder.FullName -Recurse -Force -ErrorAction SilentlyContinue
        }
    }
    try {
        foreach ($Layer in $Layers[$Platform]) {
            $Sha256, $Bytes, $Name, $Archive = $Layer
            $Kept = Join-Path $Downloads $Sha256
            $File = Join-Path $Work $Archive
            if (Test-Hash $Kept $Sha256) {
                Move-Item -LiteralPath $Kept -Destination $File
            } else {
                Write-Host "fetching $Name ($([math]::Floor($Bytes / 1000)) kB)"
                Get-Blob $From $Sha256 $File
            }
            Expand-Layer $File $Archive $Work
            # the deployment is going to need it again, and finds it there
            Move-Item -LiteralPath $File -Destination $Kept -Force
        }
        $RootFile = Join-Path $Work 'root.json'
        [IO.File]::WriteAllBytes($RootFile, [Convert]::FromBase64String($Root))

        # what postinstall.py does: the launcher of an environment reads where its Python is
        $Folder = Join-Path $Work $Name
        $Configuration = Get-Content -Raw -Encoding UTF8 -LiteralPath `
            (Join-Path $Folder 'share/venv/metadata/venvstacks_layer.json') | ConvertFrom-Json
        $Python = Join-Path $Folder $Configuration.python
        if ($Configuration.python -ne $Configuration.base_python) {
            $Base = [IO.Path]::GetFullPath((Join-Path $Folder $Configuration.base_python))
            $Text = "home = $([IO.Path]::GetDirectoryName($Base))`ninclude-system-site-packages = false`n"
            [IO.File]::WriteAllText((Join-Path $Folder 'pyvenv.cfg'), $Text, (New-Object Text.UTF8Encoding $false))
        }

        $Arguments = @('-P', '-m', 'venvstacks', 'deploy', $From, '--to', $Target, '--root', $RootFile)
        if ($Channel) { $Arguments += "--channel=$Channel" }
        elseif ($Release) { $Arguments += "--release=$Release" }
        elseif ($DefaultChannel) { $Arguments += "--channel=$DefaultChannel" }
        foreach ($Each in $App) { $Arguments += "--app=$Each" }
        # the deployer comes along, so that the deployment can be updated by itself
        if ($App.Count) { $Arguments += "--app=$Deployer" }
        & $Python @Arguments
        $Status = $LASTEXITCODE
    } finally {
        Remove-Item -LiteralPath $Work -Recurse -Force -ErrorAction SilentlyContinue
    }
    exit $Status
}

Install-Release
