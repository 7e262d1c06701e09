"""The embedded SFTP server, and the ERP that takes files from it."""
