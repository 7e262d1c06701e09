"""Files in an ERP's own form, pushed over SFTP where the volume makes single requests a waste."""
